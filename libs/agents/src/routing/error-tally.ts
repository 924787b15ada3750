/**
 * Errors by their text.   Recording path: tracker -> window -> [error-tally].
 * Bounded in keys and in the length of each: error texts often carry ids, addresses or whole responses.
 */

/** Distinct errors that are counted by their own text; what comes later is counted together. */
const MAX_ERROR_KEYS = 100;
/** Characters of an error's text that tell it from others. */
const MAX_ERROR_KEY_LENGTH = 200;
/** A failure without a text. */
const UNKNOWN_ERROR = 'unknown_error';
/** Failures with a text that found no room among `MAX_ERROR_KEYS`. */
const OTHER_ERRORS = 'other';

export class ErrorTally {
  readonly #counts = new Map<string, number>();
  /** Keys with a text of their own; `OTHER_ERRORS` is beside them. */
  #ownKeys = 0;

  /** Counts one failure. An error that was counted before allocates nothing, unless its text is too long. Never throws. */
  count(error: unknown): void {
    const text = typeof error === 'string' ? error : textOfError(error);
    const key = text === '' ? UNKNOWN_ERROR : text.length > MAX_ERROR_KEY_LENGTH ? cut(text) : text;
    const known = this.#counts.get(key);
    if (known !== undefined) this.#counts.set(key, known + 1);
    else if (this.#ownKeys < MAX_ERROR_KEYS) {
      this.#ownKeys += 1;
      this.#counts.set(copyOf(key), 1);
    } else this.#counts.set(OTHER_ERRORS, (this.#counts.get(OTHER_ERRORS) ?? 0) + 1);
  }

  /** A copy, in the order in which errors first came. Any text is an own key, `__proto__` too. */
  toObject(): Record<string, number> {
    return Object.fromEntries(this.#counts);
  }
}

/** What a thrown value says; empty when it says nothing. Never throws. */
export function textOfError(thrown: unknown): string {
  try {
    if (thrown === undefined || thrown === null) return '';
    const message: unknown = typeof thrown === 'object' && 'message' in thrown ? thrown.message : thrown;
    return typeof message === 'string' ? message : String(message);
  } catch {
    return UNKNOWN_ERROR; // a getter or `toString` of the thrown value that throws itself
  }
}

/** Not through the middle of a character. */
function cut(text: string): string {
  const last = text.charCodeAt(MAX_ERROR_KEY_LENGTH - 1);
  const isHighSurrogate = last >= 0xd800 && last <= 0xdbff;
  return text.slice(0, isHighSurrogate ? MAX_ERROR_KEY_LENGTH - 1 : MAX_ERROR_KEY_LENGTH);
}

/** The same characters in memory of their own: V8 keeps the whole text that a slice was cut from. */
function copyOf(text: string): string {
  return Buffer.from(text, 'utf16le').toString('utf16le');
}
