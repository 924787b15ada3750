/**
 * Phoenix's `attribute=key:value`.   Read path: client -> [attribute-conditions] -> store.
 *
 * The key ends at the first colon. The value is read as JSON for its type: `k:12` finds the integer and the double, `k:12.0` the double
 * alone, `k:true` a boolean, `k:"12"` and anything that is no JSON a string. Lists and maps cannot be compared.
 */

import { InvalidQueryError } from '@cogniverse/foundation/store';
import type { AttributeFilter, StoredSpan } from '@cogniverse/foundation/telemetry';

export interface AttributeCondition {
  readonly filter: AttributeFilter;
  /** What the store's filter leaves open: it does not tell a double from an integer of the same value. */
  readonly keep?: ((stored: StoredSpan) => boolean) | undefined;
}

export function parseAttributeCondition(text: string): AttributeCondition {
  const colon = text.indexOf(':');
  const key = text.slice(0, Math.max(colon, 0));
  const literal = text.slice(colon + 1);
  if (colon === -1 || key.trim() === '' || literal === '') throw malformed(text, 'it must be "key:value"');
  if (/^-?\d+$/.test(literal)) {
    const number = Number(literal);
    return { filter: { key, operator: 'eq', value: Number.isSafeInteger(number) ? number : BigInt(literal) } };
  }
  let value: unknown;
  try {
    value = JSON.parse(literal);
  } catch {
    return { filter: { key, operator: 'eq', value: literal } }; // no JSON: the text itself is meant
  }
  switch (typeof value) {
    case 'number':
      return {
        filter: { key, operator: 'eq', value },
        keep: ({ span }) => typeof span.attributes.get(key) !== 'bigint',
      };
    case 'string':
    case 'boolean':
      return { filter: { key, operator: 'eq', value } };
    default:
      throw malformed(text, 'the value must be a string, a number, true or false');
  }
}

function malformed(text: string, why: string): InvalidQueryError {
  const shown = text.length > 100 ? `${text.slice(0, 100)}...` : text;
  return new InvalidQueryError(`"attribute" is ${JSON.stringify(shown)}; ${why}.`);
}
