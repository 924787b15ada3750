/**
 * One condition on one attribute, as SQL.   Read path: span-query -> [attribute-condition].
 *
 * Numbers are compared by value, whatever the type they were recorded with: a 64-bit integer with a double exactly, without rounding one
 * to the other. Strings are compared by their UTF-8 bytes. `ne` finds spans that have the attribute, with another value.
 */

import { attributePlaces, InvalidQueryError } from '@cogniverse/foundation/store';
import type { AttributeFilter } from '@cogniverse/foundation/telemetry';
import { attributeText as typedText } from '../attribute-text.js';
import { TEXT_COLUMNS } from '../span-table.js';
import { attributeText, lettersOfAttribute, placeText } from './conditions/attribute-reading.js';
import { oneOf, requireText, shown } from './query-input.js';
import type { SqlBuilder } from './sql-builder.js';

const OPERATORS = ['eq', 'ne', 'gt', 'gte', 'lt', 'lte', 'contains', 'exists'] as const;
const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;

/** Columns that hold an attribute, as it is, where it is a string; NULL where it is anything else. */
const STRING_COLUMNS: Readonly<Record<string, string>> = Object.assign(Object.create(null), TEXT_COLUMNS, {
  'llm.model_name': 'model',
});

type Comparison = 'eq' | 'gt' | 'gte' | 'lt' | 'lte';
const SQL_COMPARISON: Readonly<Record<Comparison, string>> = { eq: '=', gt: '>', gte: '>=', lt: '<', lte: '<=' };

/** SQL for the typed text of an attribute (`attribute-text.ts`), also from inside a map; NULL where the span lacks it. */
export function attributeTextSql(key: string, sql: SqlBuilder): string {
  const [own, ...inner] = attributePlaces(key.split('.'));
  const text = attributeText(own!.key, '', sql);
  const maps = inner
    .filter(({ key: outer }) => outer !== '')
    .map((place) => placeText({ ...place, json: false }, '', sql));
  return maps.length === 0 ? text : `coalesce(${[text, ...maps].join(', ')})`;
}

/**
 * SQL: true of all rows whose attribute may have a text that begins with `typed`, be it inside a map, and of few others: a look for letters in the text of all attributes.
 * `whole`: the text is `typed` itself.
 */
function mayHave(key: string, typed: string, whole: boolean, sql: SqlBuilder): string {
  const own = lettersOfAttribute('attributes', key, typed, whole, sql);
  const isInMap = mayBeInMap(key);
  return isInMap === undefined ? own : `(${own} OR ${isInMap})`;
}

/** SQL: some attribute is a map or a list. Undefined for a name without dots, which can be inside none. */
function mayBeInMap(key: string): string | undefined {
  return key.includes('.') ? "(contains(attributes, 'j{') OR contains(attributes, 'j['))" : undefined;
}

/** SQL: `test` of the column that holds the attribute if it is a text, or else `other`, where the attribute may be inside a map. */
function ofTextColumn(key: string, column: string, test: string, other: string): string {
  // Not AND, which is worked out for all rows where it is not the whole of a filter.
  return `CASE WHEN ${column} IS NOT NULL THEN ${test} WHEN ${mayBeInMap(key) ?? 'false'} THEN ${other} ELSE false END`;
}

/** SQL for the value of a numeric attribute as DOUBLE; NULL for any other. */
export function attributeNumberSql(key: string, sql: SqlBuilder): string {
  const text = attributeTextSql(key, sql);
  return `CASE WHEN ${text}[1] IN ('i', 'd') THEN TRY_CAST(substr(${text}, 2) AS DOUBLE) END`;
}

/** SQL: the integer `int` compares with `value` as asked. */
function integerCondition(int: string, comparison: Comparison, value: number | bigint): string {
  if (Number.isNaN(value)) return 'false';
  let bound: bigint;
  let operator = comparison;
  if (typeof value === 'bigint' || Number.isInteger(value)) {
    bound = BigInt(value);
  } else if (value === Infinity || value === -Infinity) {
    bound = value > 0 ? INT64_MAX + 1n : INT64_MIN - 1n;
  } else {
    // Between two integers: nothing is equal, and the next integer below decides.
    if (comparison === 'eq') return 'false';
    bound = BigInt(Math.floor(value));
    operator = comparison === 'gt' || comparison === 'gte' ? 'gt' : 'lte';
  }
  if (bound > INT64_MAX) return operator === 'lt' || operator === 'lte' ? 'true' : 'false';
  if (bound < INT64_MIN) return operator === 'gt' || operator === 'gte' ? 'true' : 'false';
  return `${int} ${SQL_COMPARISON[operator]} (${bound})::BIGINT`;
}

/** SQL: the double `double` compares with `value` as asked. NaN compares with nothing. */
function doubleCondition(double: string, comparison: Comparison, value: number | bigint, sql: SqlBuilder): string {
  if (Number.isNaN(value)) return 'false';
  const nearest = Number(value);
  let operator = comparison;
  if (typeof value === 'bigint' && Number.isFinite(nearest) && BigInt(nearest) !== value) {
    // No double equals this integer; its neighbour stands on one side of it.
    if (comparison === 'eq') return 'false';
    const above = BigInt(nearest) > value;
    const upwards = comparison === 'gt' || comparison === 'gte';
    if (upwards) operator = above ? 'gte' : 'gt';
    else operator = above ? 'lt' : 'lte';
  } else if (typeof value === 'bigint' && !Number.isFinite(nearest)) {
    // Beyond all finite doubles.
    if (comparison === 'eq') return 'false';
    const upwards = comparison === 'gt' || comparison === 'gte';
    operator = nearest > 0 === upwards ? 'gte' : upwards ? 'gt' : 'lt';
  }
  return `(NOT isnan(${double}) AND ${double} ${SQL_COMPARISON[operator]} ${sql.bind(nearest)}::DOUBLE)`;
}

function comparisonSql(
  text: string,
  comparison: Comparison,
  value: string | number | boolean | bigint,
  sql: SqlBuilder,
): string {
  if (typeof value === 'string') {
    if (comparison === 'eq') return `${text} = ${sql.bind(typedText(value))}`;
    return `(${text}[1] = 's' AND substr(${text}, 2) ${SQL_COMPARISON[comparison]} ${sql.bind(value)})`;
  }
  if (typeof value === 'boolean') {
    if (comparison !== 'eq')
      throw new InvalidQueryError(`A filter compares ${shown(value)} with "${comparison}"; a boolean has no order.`);
    return `${text} = ${sql.bind(typedText(value))}`;
  }
  const int = `TRY_CAST(substr(${text}, 2) AS BIGINT)`;
  const double = `TRY_CAST(substr(${text}, 2) AS DOUBLE)`;
  return `CASE ${text}[1] WHEN 'i' THEN ${integerCondition(int, comparison, value)} WHEN 'd' THEN ${doubleCondition(double, comparison, value, sql)} ELSE false END`;
}

/** Errors: `InvalidQueryError` for an unknown operator, or a value that does not fit it. */
export function attributeConditionSql(filter: AttributeFilter, sql: SqlBuilder): string {
  const field = 'filters.attributes';
  if (typeof filter !== 'object' || filter === null) {
    throw new InvalidQueryError(`${field} holds ${shown(filter)}; each must be { key, operator, value }.`);
  }
  const key = requireText(filter.key, `${field}.key`);
  const operator = oneOf(filter.operator, OPERATORS, `${field}.operator`);
  const text = attributeTextSql(key, sql);
  const { value } = filter;
  const column = STRING_COLUMNS[key];
  if (operator === 'exists') {
    if (value !== undefined) throw new InvalidQueryError(`The filter "exists" on ${shown(key)} takes no value.`);
    return `(${mayHave(key, '', false, sql)} AND ${text} IS NOT NULL)`;
  }
  if (operator === 'contains') {
    const part = requireText(value, `${field}.value of "contains"`);
    const found = `(${text}[1] = 's' AND contains(lower(substr(${text}, 2)), lower(${sql.bind(part)})))`;
    return column === undefined
      ? `(${mayHave(key, 's', false, sql)} AND ${found})`
      : ofTextColumn(key, column, `contains(lower(${column}), lower(${sql.bind(part)}))`, found);
  }
  if (typeof value === 'string') requireText(value, `${field}.value`);
  else if (typeof value !== 'number' && typeof value !== 'boolean' && typeof value !== 'bigint') {
    throw new InvalidQueryError(
      `The filter "${operator}" on ${shown(key)} has the value ${shown(value)}; it must be a string, a number or a boolean.`,
    );
  }
  if (operator === 'ne')
    return `(${mayHave(key, '', false, sql)} AND ${text} IS NOT NULL AND NOT coalesce(${comparisonSql(text, 'eq', value, sql)}, false))`;
  const found = `coalesce(${comparisonSql(text, operator, value, sql)}, false)`;
  if (operator !== 'eq' || typeof value === 'number' || typeof value === 'bigint')
    return `(${mayHave(key, '', false, sql)} AND ${found})`;
  if (column !== undefined && typeof value === 'string')
    return ofTextColumn(key, column, `${column} = ${sql.bind(value)}`, found);
  return `(${mayHave(key, typedText(value), true, sql)} AND ${found})`;
}
