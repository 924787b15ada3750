/** What data sets, experiments and annotations hold: JSON, the same from an embedded store as over HTTP.   Read path: provider stores. */
import { InvalidQueryError } from '../errors.js';

/**
 * A copy as JSON has it: dates as ISO strings, no `undefined`. Errors: `InvalidQueryError` naming the field for what JSON has no form
 * for, and for numbers that it would turn into `null`.
 */
export function jsonObject(value: Record<string, unknown>, field: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new InvalidQueryError(`${field}: it must be an object (given: ${value === null ? 'null' : typeof value}).`);
  }
  let text: string;
  try {
    text = JSON.stringify(value, (key, held: unknown) => {
      if (typeof held === 'bigint' || (typeof held === 'number' && !Number.isFinite(held))) {
        throw new InvalidQueryError(
          `${field}.${key}: JSON has no form for the ${typeof held} ${String(held)}. Give it as a string.`,
        );
      }
      return held;
    });
  } catch (cause) {
    if (cause instanceof InvalidQueryError) throw cause;
    throw new InvalidQueryError(`${field}: it cannot be written as JSON: ${(cause as Error).message}`, { cause });
  }
  return JSON.parse(text) as Record<string, unknown>;
}
