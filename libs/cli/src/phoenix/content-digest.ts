/** A digest over content that is the same whatever the order of keys: what was read of Phoenix against what is read back.   Read path: import -> [content-digest]. */
import { createHash } from 'node:crypto';

/** Keys in order; 64-bit integers and what JSON has no number for as text. */
function canonical(value: unknown): unknown {
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
  if (Array.isArray(value)) return value.map(canonical);
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (typeof value !== 'object' || value === null) return value;
  return Object.entries(value)
    .filter(([, held]) => held !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, held]) => [key, canonical(held)]);
}

/** SHA-256 in hexadecimal digits. */
export function contentDigest(value: unknown): string {
  return createHash('sha256')
    .update(JSON.stringify(canonical(value)) ?? '')
    .digest('hex');
}
