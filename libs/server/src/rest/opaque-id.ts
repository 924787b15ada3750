/**
 * Ids as Phoenix gives them out: base64 of a type and a key. Clients keep them, and decode the type.   Read path: routes -> [opaque-id] -> client.
 *
 * Keys are letters, digits, `-`, `_` and `:`: of these base64 makes no `/` and no `+`, which clients put into paths as they are.
 */

/** Names of types as Phoenix spells them. */
export type PhoenixType =
  | 'Project'
  | 'ProjectSession'
  | 'Trace'
  | 'Span'
  | 'SpanAnnotation'
  | 'TraceAnnotation'
  | 'ProjectSessionAnnotation'
  | 'DocumentAnnotation'
  | 'Dataset'
  | 'DatasetVersion'
  | 'DatasetExample'
  | 'DatasetSplit'
  | 'DatasetLabel'
  | 'Experiment'
  | 'ExperimentRun'
  | 'ExperimentEvaluation';

export function opaqueId(type: PhoenixType, key: string): string {
  return Buffer.from(`${type}:${key}`, 'utf8').toString('base64');
}

/** The key of an id of that type; undefined for anything else. */
export function readOpaqueId(type: PhoenixType, id: string): string | undefined {
  const text = Buffer.from(id, 'base64').toString('utf8');
  const key = text.slice(type.length + 1);
  return opaqueId(type, key) === id ? key : undefined;
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
