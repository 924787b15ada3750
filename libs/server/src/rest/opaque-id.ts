/** Ids as Phoenix gives them out: base64 of a type and a key. Clients keep them and never look inside.   Read path: routes -> [opaque-id] -> client. */
export function opaqueId(type: 'Span' | 'Trace', key: string): string {
  return Buffer.from(`${type}:${key}`, 'utf8').toString('base64');
}

/** A cursor of one's own making. `readCursor` gives undefined for anything that was not made here. */
export function makeCursor(key: readonly (string | null)[]): string {
  return Buffer.from(JSON.stringify(key), 'utf8').toString('base64url');
}

export function readCursor(cursor: string, length: number): readonly (string | null)[] | undefined {
  let key: unknown;
  try {
    key = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
  } catch {
    return undefined; // no JSON: not ours
  }
  if (!Array.isArray(key) || key.length !== length) return undefined;
  return key.every((part) => part === null || typeof part === 'string') ? key : undefined;
}
