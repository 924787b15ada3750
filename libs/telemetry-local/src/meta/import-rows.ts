/**
 * What imports of data sets and of experiments have in common.   Meta store: transfers -> [import-rows].
 */
import { InvalidQueryError, isoTime, parseTime } from '@cogniverse/foundation/store';

/** One for each key: the first. */
export function firstOf<T>(records: readonly T[], keyOf: (record: T) => string): T[] {
  const byKey = new Map<string, T>();
  for (const record of records) {
    const key = keyOf(record);
    if (!byKey.has(key)) byKey.set(key, record);
  }
  return [...byKey.values()];
}

/** The id is in the store, and is not what the import says: another tenant's, or of another parent. */
export function foreignId(kind: string, id: string): InvalidQueryError {
  return new InvalidQueryError(
    `records holds the ${kind} ${JSON.stringify(id)}, which cannot be added here: its id is taken. Import it into another store.`,
  );
}

export function timeText(value: string, field: string): string {
  return isoTime(parseTime(value, field));
}

/** Two values as one key. */
export function pair(a: string | number, b: string | number): string {
  return JSON.stringify([a, b]);
}
