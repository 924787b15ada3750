/** What a caller gave cannot be used.   Thrown where something is set up or read, never where it is recorded. */
import { textOfError } from './error-tally.js';

export class InvalidArgumentError extends RangeError {
  /** Stable; branch on it, never on the message. */
  readonly code = 'invalid_argument';
  override readonly name = 'InvalidArgumentError';
}

/** Throws unless `holds`, naming field, value and remedy. */
export function checkArgument(holds: boolean, field: string, value: unknown, remedy: string): asserts holds {
  if (!holds) throw new InvalidArgumentError(`${field} is ${quoted(value)}. ${remedy}`);
}

/** A value for a message, cut to some 100 characters; never throws. */
export function quoted(value: unknown): string {
  try {
    if (typeof value === 'string') return JSON.stringify(value.slice(0, 100));
    if (typeof value === 'object' && value !== null && !(value instanceof Error)) {
      return JSON.stringify(value).slice(0, 100);
    }
  } catch {
    return 'an object that has no JSON'; // a cycle, a BigInt, a getter that throws
  }
  return textOfError(value) || String(value);
}
