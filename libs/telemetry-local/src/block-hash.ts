/**
 * What stands in a block's filters for a value, a key or a trigram: 32 bits, the same when written and when asked for.   Write path: [block-hash] <- blocks; read path: block-tests.
 *
 * Equal things have equal hashes; different ones may, too, and then a block is read in vain. A surrogate counts as U+FFFD, which is what the
 * table of spans holds in the place of a lone one.
 */

/** Longer strings are found by their trigrams alone: nearly each of them would take a place in the filter of values. */
export const MAX_VALUE_LENGTH = 64;

/** A trigram is a number of so many bits. */
export const TRIGRAM_BITS = 16;

/** All bits of it depend on each other (the end of MurmurHash3). */
export function mixed(value: number): number {
  let hash = value;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

/** `seed`: of what the text is, so that the same text of two attributes is two things. */
export function textHash(seed: number, text: string): number {
  let hash = seed ^ text.length;
  for (let i = 0; i < text.length; i++) {
    let code = text.charCodeAt(i);
    if (code >= 0xd800 && code <= 0xdfff) code = 0xfffd;
    hash = Math.imul(hash ^ code, 0x01000193);
  }
  return mixed(hash);
}

/** Of a whole number. 1 and 1.0 are equal, so are 0 and -0. */
export function numberHash(seed: number, value: number): number {
  return mixed(mixed(seed ^ value) ^ Math.floor(value / 2 ** 32));
}

/** What an attribute is, as `mixed(hash of its key + KIND.x)`: there at all, a map or list, or one of two values. */
export const KIND = { any: 1, nested: 2, isTrue: 3, isFalse: 4 } as const;

/** What has a column, as if it were an attribute; no attribute has a name that begins like this. */
export const FIELD = {
  trace: textHash(0, '\0trace'),
  /** A span, also as the parent of another: both are nearly always in the same block. */
  span: textHash(0, '\0span'),
  name: textHash(0, '\0name'),
  status: textHash(0, '\0status'),
  kind: textHash(0, '\0kind'),
  session: textHash(0, '\0session'),
  root: textHash(0, '\0root'),
} as const;

/** An id in hexadecimal, of which the last 16 digits count. */
export function idHash(seed: number, id: string): number {
  let hash = seed;
  for (let i = Math.max(0, id.length - 16); i < id.length; i++) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193);
  return mixed(hash);
}

/** As SQL's `lower` does it, where a letter of ASCII comes of it; what becomes another letter is never asked for. */
function lower(code: number): number {
  if (code >= 65 && code <= 90) return code + 32;
  if (code < 128) return code;
  if (code === 0x130) return 105; // I with a dot
  return code === 0x212a ? 107 : code; // the sign of Kelvin
}

/** Sets the bit of each three letters of the text that follow each other, in lower case. `bits` has 2^TRIGRAM_BITS. */
export function addTrigrams(text: string, bits: Uint32Array): void {
  const { length } = text;
  if (length < 3) return;
  let window = (lower(text.charCodeAt(0)) << 7) ^ lower(text.charCodeAt(1));
  for (let i = 2; i < length; i++) {
    const code = text.charCodeAt(i);
    window = ((window << 7) ^ (code < 128 ? (code >= 65 && code <= 90 ? code + 32 : code) : lower(code))) & 0x1fffff;
    const trigram = Math.imul(window, 0x9e3779b1) >>> (32 - TRIGRAM_BITS);
    bits[trigram >>> 5]! |= 1 << (trigram & 31);
  }
}

/** Whether SQL's `lower` leaves the letter alone and makes no other letter this one: ASCII in lower case, kana, Chinese characters, Hangul. */
function hasOneCase(code: number): boolean {
  return code < 128 || (code >= 0x3040 && code <= 0x9fff) || (code >= 0xac00 && code <= 0xd7a3);
}

/** The trigrams that a text must have if it contains this one, in whatever case; none if nothing can be said. */
export function trigramsOf(text: string): number[] {
  const trigrams = new Set<number>();
  const codes = Array.from({ length: text.length }, (_, i) => {
    const code = text.charCodeAt(i);
    return hasOneCase(code) ? lower(code) : undefined;
  });
  for (let i = 2; i < codes.length; i++) {
    const [a, b, c] = [codes[i - 2], codes[i - 1], codes[i]];
    if (a === undefined || b === undefined || c === undefined) continue;
    const window = ((a << 14) ^ (b << 7) ^ c) & 0x1fffff;
    trigrams.add(Math.imul(window, 0x9e3779b1) >>> (32 - TRIGRAM_BITS));
  }
  return [...trigrams];
}
