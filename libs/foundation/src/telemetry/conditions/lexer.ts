/**
 * A condition cut into words, literals and signs, each with its place.   Read path: text -> [lexer] -> parser.
 *
 * Source: the lexical analysis of Python 3, as far as conditions have a use for it: strings with their escapes, prefixes `r` and `u`, triple
 * quotes and neighbours that join; whole numbers in four bases, decimals, underscores.
 */
import { conditionError, shownName } from './condition-error.js';

export type Token =
  | { readonly kind: 'name' | 'sign'; readonly text: string; readonly start: number; readonly end: number }
  | { readonly kind: 'string'; readonly value: string; readonly start: number; readonly end: number }
  | { readonly kind: 'number'; readonly value: number; readonly start: number; readonly end: number }
  | { readonly kind: 'end'; readonly start: number; readonly end: number };

const SPACE = /[ \t\r\n\f]+/y;
const NAME = /[\p{L}_][\p{L}\p{N}\p{M}_]*/uy;
const ASCII_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const STRING_START = /([A-Za-z]{0,2})('''|"""|'|")/y;
const NUMBER =
  /(?:0[xX](?:_?[0-9a-fA-F])+|0[oO](?:_?[0-7])+|0[bB](?:_?[01])+|(?:(?:\d(?:_?\d)*)?\.\d(?:_?\d)*|\d(?:_?\d)*\.?)(?:[eE][+-]?\d(?:_?\d)*)?)/y;
const SIGN = /==|!=|<=|>=|\/\/|\*\*|<<|>>|[<>+\-*/%()[\]{},.:=~@&|^]/y;
const SIMPLE_ESCAPES: Readonly<Record<string, string>> = {
  '\\': '\\',
  "'": "'",
  '"': '"',
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\n': '',
};

function matchAt(pattern: RegExp, text: string, position: number): RegExpExecArray | null {
  pattern.lastIndex = position;
  return pattern.exec(text);
}

/** Errors: `InvalidQueryError` for what is no Python, and for NUL. The last token is of kind `end`. */
export function tokensOf(text: string): Token[] {
  const nul = text.indexOf('\0');
  if (nul !== -1) throw conditionError(text, nul, 'a condition cannot contain a NUL character');
  const tokens: Token[] = [];
  let position = 0;
  for (;;) {
    position += matchAt(SPACE, text, position)?.[0].length ?? 0;
    if (position >= text.length) break;
    const token = nextToken(text, position);
    tokens.push(token);
    position = token.end;
  }
  tokens.push({ kind: 'end', start: text.length, end: text.length });
  return tokens;
}

function nextToken(text: string, start: number): Token {
  const quote = matchAt(STRING_START, text, start);
  if (quote !== null) return stringToken(text, start, quote[1]!, quote[2]!);
  const number = matchAt(NUMBER, text, start);
  if (number !== null) return numberToken(text, start, number[0]);
  const name = matchAt(NAME, text, start);
  if (name !== null) {
    if (!ASCII_NAME.test(name[0])) {
      throw conditionError(text, start, `${shownName(name[0])} is no name; write other letters as attributes['...']`);
    }
    return { kind: 'name', text: name[0], start, end: start + name[0].length };
  }
  const sign = matchAt(SIGN, text, start);
  if (sign !== null) return { kind: 'sign', text: sign[0], start, end: start + sign[0].length };
  throw conditionError(
    text,
    start,
    `the character ${JSON.stringify(String.fromCodePoint(text.codePointAt(start)!))} has no meaning here`,
  );
}

function numberToken(text: string, start: number, digits: string): Token {
  const end = start + digits.length;
  const plain = digits.replaceAll('_', '');
  if (/^0\d*[1-9]/.test(plain) && !/[.eE]/.test(plain)) {
    throw conditionError(text, start, 'a whole number cannot begin with 0');
  }
  if (/[\p{L}_\d]/u.test(text[end] ?? ' ')) throw conditionError(text, start, `a number ends before "${text[end]}"`);
  const value = Number(plain);
  if (!Number.isFinite(value)) throw conditionError(text, start, 'the number is too large');
  return { kind: 'number', value, start, end };
}

function stringToken(text: string, start: number, prefix: string, quote: string): Token {
  const raw = /^r$/i.test(prefix);
  if (prefix !== '' && !raw && !/^u$/i.test(prefix)) {
    throw conditionError(
      text,
      start,
      `a string cannot begin with "${prefix}"; write it without, or with r for one without escapes`,
    );
  }
  let position = start + prefix.length + quote.length;
  let value = '';
  for (;;) {
    const character = text[position];
    if (character === undefined || (character === '\n' && quote.length === 1)) {
      throw conditionError(text, start, `the string is not closed; expected ${quote}`);
    }
    if (text.startsWith(quote, position)) {
      return { kind: 'string', value, start, end: position + quote.length };
    }
    if (character !== '\\') {
      value += character;
      position += 1;
    } else if (raw) {
      value += text.slice(position, position + 2);
      position += 2;
    } else {
      const escaped = escapeAt(text, position);
      value += escaped.value;
      position = escaped.end;
    }
  }
}

function escapeAt(text: string, position: number): { value: string; end: number } {
  const letter = text[position + 1] ?? '';
  const simple = Object.hasOwn(SIMPLE_ESCAPES, letter) ? SIMPLE_ESCAPES[letter] : undefined;
  if (simple !== undefined) return { value: simple, end: position + 2 };
  const octal = /^[0-7]{1,3}/.exec(text.slice(position + 1, position + 4));
  const hexDigits = { x: 2, u: 4, U: 8 }[letter];
  if (octal === null && hexDigits === undefined) {
    if (letter === 'N')
      throw conditionError(text, position, 'characters by name (\\N) are not supported; write \\u and the number');
    return { value: '\\', end: position + 1 }; // Python keeps an escape that it does not know
  }
  const digits = octal?.[0] ?? text.slice(position + 2, position + 2 + hexDigits!);
  const end = position + (octal === null ? 2 : 1) + digits.length;
  const code =
    octal === null
      ? digits.length === hexDigits && /^[0-9a-fA-F]+$/.test(digits)
        ? Number.parseInt(digits, 16)
        : -1
      : Number.parseInt(digits, 8);
  if (code < 0 || code > 0x10ffff)
    throw conditionError(text, position, `\\${letter} needs ${hexDigits} hex digits of a character`);
  if (code === 0) throw conditionError(text, position, 'a string cannot contain a NUL character');
  return { value: String.fromCodePoint(code), end };
}
