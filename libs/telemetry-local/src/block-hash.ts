/**
 * What stands in a block's filters for a value, a key or a fragment: 32 bits, the same when written and when asked for.   Write path: [block-hash] <- blocks; read path: block-tests.
 *
 * Equal things have equal hashes; different ones may, too, and then a block is read in vain. A surrogate counts as U+FFFD, which is what the
 * table of spans holds in the place of a lone one.
 */

/** Longer strings are found by their fragments alone: nearly each of them would take a place in the filter of values. */
export const MAX_VALUE_LENGTH = 64;

/** A fragment is five letters that follow each other in a text, in lower case; as a number of so many bits. Three letters would be more often asked for, but nearly any three are in any longer text. */
export const FRAGMENT_BITS = 16;

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

/** Letters of a fragment, each moved on by 6 bits for the next one: 30 bits are those of five. */
const FRAGMENT_LENGTH = 5;
const WINDOW = 2 ** 30 - 1;

function fragment(window: number): number {
  return Math.imul(window, 0x9e3779b1) >>> (32 - FRAGMENT_BITS);
}

/** Sets the bit of each fragment of the text. `bits` has 2^FRAGMENT_BITS. */
export function addFragments(text: string, bits: Uint32Array): void {
  const { length } = text;
  let window = 0;
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    window = ((window << 6) ^ (code < 128 ? (code >= 65 && code <= 90 ? code + 32 : code) : lower(code))) & WINDOW;
    if (i < FRAGMENT_LENGTH - 1) continue;
    const bit = fragment(window);
    bits[bit >>> 5]! |= 1 << (bit & 31);
  }
}

/** Whether SQL's `lower` leaves the letter alone and makes no other letter this one: ASCII in lower case, kana, Chinese characters, Hangul. */
function hasOneCase(code: number): boolean {
  return code < 128 || (code >= 0x3040 && code <= 0x9fff) || (code >= 0xac00 && code <= 0xd7a3);
}

/** The fragments that a text must have if it contains this one, in whatever case; none if nothing can be said. */
export function fragmentsOf(text: string): number[] {
  const fragments = new Set<number>();
  let window = 0;
  let known = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    known = hasOneCase(code) ? known + 1 : 0;
    window = ((window << 6) ^ lower(code)) & WINDOW;
    if (known >= FRAGMENT_LENGTH) fragments.add(fragment(window));
  }
  return [...fragments];
}
