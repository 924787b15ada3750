/** How values of records are written as JSON.   Read path: record -> [json-form] -> JSON text. */

/** Bigints as decimal strings, bytes as base64, NaN and infinities by name (JSON has no word for them); no prototype on the way. */
export function toJsonForm(value: unknown): unknown {
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (Array.isArray(value)) return value.map(toJsonForm);
  const json: Record<string, unknown> = Object.create(null);
  for (const [key, entry] of Object.entries(value)) if (entry !== undefined) json[key] = toJsonForm(entry);
  return json;
}
