/**
 * Finds the Arrow type that holds all values of a column.   Read path: record -> column -> [column-type] -> Arrow data.
 *
 * A column starts without a type and takes the narrowest one that loses nothing of any of its values.
 */

/** `int`: whole numbers that a double holds exactly. `long`: other 64-bit integers. `json`: the JSON text of each value. */
export type ScalarKind = 'none' | 'bool' | 'int' | 'long' | 'float' | 'text' | 'bytes' | 'json';

/** A scalar, or a list of scalars. */
export interface ColumnType {
  readonly list: boolean;
  readonly kind: ScalarKind;
}

export const NO_TYPE: ColumnType = { list: false, kind: 'none' };
const JSON_TYPE: ColumnType = { list: false, kind: 'json' };
const scalars = new Map<ScalarKind, ColumnType>();
const lists = new Map<ScalarKind, ColumnType>();
for (const kind of ['none', 'bool', 'int', 'long', 'float', 'text', 'bytes'] as const) {
  scalars.set(kind, { list: false, kind });
  lists.set(kind, { list: true, kind });
}

/** The narrowest type for the values that `type` holds, and `value`. Undefined and null fit every type. */
export function widen(type: ColumnType, value: unknown): ColumnType {
  if (value === undefined || value === null || type.kind === 'json') return type;
  if (!Array.isArray(value)) return type.list ? JSON_TYPE : typeOf(joined(type.kind, kindOf(value)), scalars);
  if (!type.list && type.kind !== 'none') return JSON_TYPE;
  let kind: ScalarKind = type.kind;
  for (const element of value) {
    if (element !== undefined && element !== null) kind = joined(kind, kindOf(element));
  }
  return typeOf(kind, lists);
}

function typeOf(kind: ScalarKind, types: ReadonlyMap<ScalarKind, ColumnType>): ColumnType {
  return types.get(kind) ?? JSON_TYPE;
}

function joined(one: ScalarKind, other: ScalarKind): ScalarKind {
  if (one === other || other === 'none') return one;
  if (one === 'none') return other;
  const both = [one, other];
  if (both.includes('int') && both.includes('long')) return 'long';
  if (both.includes('int') && both.includes('float')) return 'float';
  return 'json';
}

function kindOf(value: unknown): ScalarKind {
  switch (typeof value) {
    case 'string':
      return 'text';
    case 'boolean':
      return 'bool';
    case 'number':
      // An integer has no negative zero.
      return Number.isSafeInteger(value) && !Object.is(value, -0) ? 'int' : 'float';
    case 'bigint':
      if (value !== BigInt.asIntN(64, value)) return 'json';
      return Number.isSafeInteger(Number(value)) ? 'int' : 'long';
    default:
      return value instanceof Uint8Array ? 'bytes' : 'json';
  }
}
