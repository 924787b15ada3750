/**
 * A condition's text as syntax.   Read path: text -> lexer -> [parser] -> resolver.
 *
 * Source: the expression grammar of Python 3, of which a condition may use
 *
 *   or: and ('or' and)*             and: not ('and' not)*            not: 'not' not | comparison
 *   comparison: sum (sign sum)*     sum: term (('+'|'-') term)*      term: unary (('*'|'/'|'%') unary)*
 *   unary: ('-'|'+') unary | postfix                                  postfix: atom ('.' name | '[' or ']')*
 *   atom: constant | name | name '(' or [for] ')' | '(' or ')' | '[' list ']'        for: 'for' name 'in' postfix ('if' or)*
 */
import { conditionError, shownName } from './condition-error.js';
import { type Token, tokensOf } from './lexer.js';
import type { ArithmeticSign, ComparisonSign, Comprehension, Syntax } from './syntax.js';

/** Longest condition, in UTF-16 units. */
export const MAX_CONDITION_LENGTH = 200_000;
/** Brackets, operators and `not` inside one another. */
const MAX_DEPTH = 100;
const CONSTANTS: Readonly<Record<string, boolean | null>> = { True: true, False: false, None: null };
const RESERVED = new Set(['and', 'or', 'not', 'in', 'is', 'if', 'else', 'for', 'lambda', 'await', 'async', 'yield']);
const COMPARISONS = new Set(['==', '!=', '<', '<=', '>', '>=']);

/** Errors: `InvalidQueryError` with the place and what was expected there. */
export function parseSyntax(text: string): Syntax {
  if (text.length > MAX_CONDITION_LENGTH) {
    throw conditionError(
      text,
      MAX_CONDITION_LENGTH,
      `it has ${text.length} characters, ${MAX_CONDITION_LENGTH} are allowed`,
    );
  }
  return new Parser(text).whole();
}

class Parser {
  readonly #text: string;
  readonly #tokens: readonly Token[];
  #position = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
    this.#tokens = tokensOf(text);
  }

  whole(): Syntax {
    if (this.#token.kind === 'end') throw this.#error("it is empty; expected a comparison such as name == '...'");
    const syntax = this.#or();
    if (this.#position < this.#tokens.length - 1) throw this.#unexpected('an operator, `and`, `or`, or the end');
    return syntax;
  }

  get #token(): Token {
    return this.#tokens[this.#position]!;
  }

  /** End of what was read last. */
  get #end(): number {
    return this.#tokens[this.#position - 1]?.end ?? 0;
  }

  #is(text: string, ahead = 0): boolean {
    const token = this.#tokens[this.#position + ahead];
    return (token?.kind === 'sign' || token?.kind === 'name') && token.text === text;
  }

  #take(text: string): boolean {
    if (!this.#is(text)) return false;
    this.#position += 1;
    return true;
  }

  #expect(text: string): void {
    if (!this.#take(text)) throw this.#unexpected(`"${text}"`);
  }

  #error(problem: string, position = this.#token.start): Error {
    return conditionError(this.#text, position, problem);
  }

  #unexpected(expected: string): Error {
    const token = this.#token;
    if (token.kind === 'sign' && token.text === '=') return this.#error(`expected ${expected}; to compare, write ==`);
    return this.#error(`expected ${expected}`);
  }

  /** One more level of nesting while `parse` runs. */
  #deeper<T>(parse: () => T): T {
    this.#depth += 1;
    if (this.#depth > MAX_DEPTH) throw this.#error(`it is nested too deeply, ${MAX_DEPTH} levels are allowed`);
    const result = parse();
    this.#depth -= 1;
    return result;
  }

  #or(): Syntax {
    return this.#deeper(() => this.#joined('or', () => this.#joined('and', () => this.#not())));
  }

  #joined(word: 'and' | 'or', operand: () => Syntax): Syntax {
    const { start } = this.#token;
    const operands = [operand()];
    while (this.#take(word)) operands.push(operand());
    return operands.length === 1 ? operands[0]! : { kind: word, operands, start, end: this.#end };
  }

  #not(): Syntax {
    const { start } = this.#token;
    if (!this.#take('not')) return this.#comparison();
    const operand = this.#deeper(() => this.#not());
    return { kind: 'not', operand, start, end: this.#end };
  }

  #comparison(): Syntax {
    const { start } = this.#token;
    const first = this.#sum();
    const rest: { sign: ComparisonSign; operand: Syntax }[] = [];
    for (let sign = this.#comparisonSign(); sign !== undefined; sign = this.#comparisonSign()) {
      rest.push({ sign, operand: this.#sum() });
    }
    return rest.length === 0 ? first : { kind: 'comparison', first, rest, start, end: this.#end };
  }

  #comparisonSign(): ComparisonSign | undefined {
    const token = this.#token;
    if (token.kind === 'sign' && COMPARISONS.has(token.text)) {
      this.#position += 1;
      return token.text as ComparisonSign;
    }
    if (this.#take('in')) return 'in';
    if (this.#take('is')) return this.#take('not') ? 'is not' : 'is';
    if (this.#is('not') && this.#is('in', 1)) {
      this.#position += 2;
      return 'not in';
    }
    return undefined;
  }

  #sum(): Syntax {
    return this.#arithmetic(['+', '-'], () => this.#arithmetic(['*', '/', '%'], () => this.#unary()));
  }

  /** Operators of one rank, from left to right: each is one level deeper than the one before. */
  #arithmetic(signs: readonly ArithmeticSign[], operand: () => Syntax): Syntax {
    const { start } = this.#token;
    let left = operand();
    let levels = 0;
    for (;;) {
      const token = this.#token;
      if (token.kind === 'sign' && (token.text === '//' || token.text === '**')) {
        throw this.#error(`the operator ${token.text} is not supported; known are + - * / %`);
      }
      const sign = token.kind === 'sign' ? signs.find((known) => known === token.text) : undefined;
      if (sign === undefined) return left;
      this.#position += 1;
      levels += 1;
      if (this.#depth + levels > MAX_DEPTH)
        throw this.#error(`it is nested too deeply, ${MAX_DEPTH} levels are allowed`);
      left = { kind: 'arithmetic', sign, left, right: operand(), start, end: this.#end };
    }
  }

  #unary(): Syntax {
    const { start } = this.#token;
    for (const [sign, kind] of [
      ['-', 'negative'],
      ['+', 'positive'],
    ] as const) {
      if (!this.#take(sign)) continue;
      const operand = this.#deeper(() => this.#unary());
      return { kind, operand, start, end: this.#end };
    }
    if (this.#is('~')) throw this.#error('the operator ~ is not supported; write not');
    return this.#postfix();
  }

  #postfix(): Syntax {
    const { start } = this.#token;
    let object = this.#atom();
    let levels = 0;
    for (;;) {
      if (this.#take('.')) {
        const token = this.#token;
        if (token.kind !== 'name') throw this.#unexpected('a name after "."');
        this.#position += 1;
        object = { kind: 'member', object, name: token.text, start, end: token.end };
      } else if (this.#take('[')) {
        const key = this.#or();
        this.#expect(']');
        object = { kind: 'subscript', object, key, start, end: this.#end };
      } else {
        if (this.#is('(')) throw this.#error('only str, float, int, any, all, len, sum, max and min can be called');
        return object;
      }
      levels += 1;
      if (levels > MAX_DEPTH) throw this.#error(`a path has at most ${MAX_DEPTH} parts`);
    }
  }

  #atom(): Syntax {
    const token = this.#token;
    const { start } = token;
    if (token.kind === 'string') return this.#string();
    if (token.kind === 'number') {
      this.#position += 1;
      return { kind: 'constant', value: token.value, start, end: token.end };
    }
    if (this.#take('[')) return this.#list(']', start, []);
    if (this.#take('(')) {
      if (this.#is(')')) return this.#list(')', start, []);
      const inner = this.#or();
      if (this.#is('for')) throw this.#error('a loop stands in any, all, len, sum, max or min');
      if (this.#take(',')) return this.#list(')', start, [inner]);
      this.#expect(')');
      return inner;
    }
    if (token.kind !== 'name' || RESERVED.has(token.text)) throw this.#unexpected('a name or a value');
    this.#position += 1;
    if (Object.hasOwn(CONSTANTS, token.text)) {
      return { kind: 'constant', value: CONSTANTS[token.text]!, start, end: token.end };
    }
    if (this.#is('(')) return this.#call(token.text, start);
    return { kind: 'name', name: token.text, start, end: token.end };
  }

  /** Strings beside each other are one. */
  #string(): Syntax {
    const { start } = this.#token;
    let value = '';
    for (let token = this.#token; token.kind === 'string'; token = this.#token) {
      value += token.value;
      this.#position += 1;
    }
    return { kind: 'constant', value, start, end: this.#end };
  }

  #list(close: ']' | ')', start: number, items: Syntax[]): Syntax {
    while (!this.#take(close)) {
      items.push(this.#or());
      if (this.#is('for')) throw this.#error('a loop stands in any, all, len, sum, max or min');
      if (!this.#take(',') && !this.#is(close)) throw this.#unexpected(`"," or "${close}"`);
    }
    return { kind: 'list', items, start, end: this.#end };
  }

  #call(name: string, start: number): Syntax {
    this.#expect('(');
    const bracket = this.#token;
    if (this.#is('[') && name === 'len') {
      this.#position += 1;
      const element = this.#or();
      const argument = this.#comprehension(element, bracket.start, true);
      this.#expect(']');
      this.#expect(')');
      return { kind: 'call', name, argument, start, end: this.#end };
    }
    if (this.#is(')')) throw this.#error(`${shownName(name)} takes one argument`);
    const inner = this.#or();
    const argument = this.#is('for') ? this.#comprehension(inner, bracket.start, false) : inner;
    if (this.#is(',')) throw this.#error(`${shownName(name)} takes one argument`);
    this.#expect(')');
    return { kind: 'call', name, argument, start, end: this.#end };
  }

  #comprehension(element: Syntax, start: number, list: boolean): Comprehension {
    return this.#deeper(() => {
      this.#expect('for');
      const variable = this.#token;
      if (variable.kind !== 'name' || RESERVED.has(variable.text))
        throw this.#unexpected('the name of a loop variable');
      this.#position += 1;
      this.#expect('in');
      const iterable = this.#postfix();
      const conditions: Syntax[] = [];
      while (this.#take('if')) conditions.push(this.#or());
      if (this.#is('for')) throw this.#error('a loop has one `for`');
      return {
        kind: 'comprehension',
        element,
        variable: variable.text,
        iterable,
        conditions,
        list,
        start,
        end: this.#end,
      };
    });
  }
}
