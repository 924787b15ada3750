/** Values as programs read them: one JSON object a line; bigints are decimal strings. */

export function jsonLine(value: unknown): string {
  return JSON.stringify(value, (_key, entry: unknown) => (typeof entry === 'bigint' ? String(entry) : entry));
}
