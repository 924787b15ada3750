/**
 * An attribute in SQL: its text with its type (`attribute-text.ts`), also from inside a map, and its readings as text, number and boolean.
 * Read path: condition-sql, attribute-condition -> [attribute-reading].
 */
import type { AttributePlace } from '@cogniverse/foundation/telemetry';
import { TEXT_COLUMNS, wellFormed } from '../../span-table.js';
import type { SqlBuilder } from '../sql-builder.js';

/** A number as JSON writes it, and as JavaScript writes one that is finite. */
const NUMBER_TEXT = '-?(0|[1-9]\\d*)(\\.\\d+)?([eE][+-]?\\d+)?';
const INDEX = /^(?:0|[1-9]\d{0,8})$/;

/** Letters of attributes as JSON text, the most frequent first; those that are not here are rarer still. */
const FREQUENT = 'etnoa"sirlm:.dcpu,_0123456789-hgvk fbwy';
/** So few letters are not taken alone, whatever they begin with. */
const FEWEST_LETTERS = 4;

/**
 * SQL: true of all rows whose attribute of this name has a text that begins with `typed`, and of few others. `whole`: the text is `typed` itself. `column` is the JSON text of all
 * attributes, which `JSON.stringify` wrote, so the letters must stand there. The database looks for the first of them, one after the other: a rare one makes that several times
 * faster than to find a key in JSON, a frequent one slower.
 */
export function lettersOfAttribute(
  column: string,
  key: string,
  typed: string,
  whole: boolean,
  sql: SqlBuilder,
): string {
  const value = JSON.stringify(wellFormed(typed));
  const letters = `${JSON.stringify(wellFormed(key))}:${whole ? value : value.slice(0, -1)}`;
  let from = 0;
  let rarest = -1;
  for (let i = 0; i <= letters.length - FEWEST_LETTERS; i++) {
    const place = FREQUENT.indexOf(letters[i]!);
    const rarity = place === -1 ? FREQUENT.length : place;
    // Not the second half of a letter beyond the 65,536 first ones.
    if (rarity <= rarest || (letters.charCodeAt(i) >= 0xdc00 && letters.charCodeAt(i) <= 0xdfff)) continue;
    from = i;
    rarest = rarity;
  }
  return `contains(${column}, ${sql.bind(letters.slice(from))})`;
}

/** A JSON pointer: any key can be written in it. */
function pointer(keys: readonly string[]): string {
  return keys.map((key) => `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}

/** SQL: the typed text of the attribute of this name; NULL where the span lacks it. `row` is what its columns are of, as `r0.`; or empty. */
export function attributeText(key: string, row: string, sql: SqlBuilder): string {
  const text = `json_extract_string(${row}attributes, ${sql.bind(pointer([key]))})`;
  const column = TEXT_COLUMNS[key];
  return column === undefined ? text : `coalesce('s' || ${row}${column}, ${text})`;
}

/** SQL: the typed text of what is at this place; NULL where there is nothing, or null. */
export function placeText({ key, inner, json }: AttributePlace, row: string, sql: SqlBuilder): string {
  const text = attributeText(key, row, sql);
  if (inner.length === 0) return `nullif(${text}, 'jnull')`;
  const nested = `CASE WHEN ${text}[1] = 'j' THEN ${nestedText(`substr(${text}, 2)`, inner, sql)} END`;
  if (!json) return nested;
  return `coalesce(${nested}, CASE WHEN ${text}[1] = 's' AND json_valid(substr(${text}, 2)) THEN ${jsonText(`substr(${text}, 2)`, inner, sql)} END)`;
}

/** From the keys of a path: all as one key, the first and the rest as one, the first two and the rest as one, ... */
function waysInto(inner: readonly string[]): string[][] {
  return inner.map((_, index) => [...inner.slice(0, index), inner.slice(index).join('.')]);
}

/** Inside a map or list as `attribute-text.ts` writes them: a map is `{"m":[[key,value],...]}`. */
function nestedText(value: string, inner: readonly string[], sql: SqlBuilder): string {
  const step = (outer: string, key: string) => {
    const entry = `nullif(list_first(list_filter(CAST(json_extract(${outer}, '$.m') AS JSON[]), lambda pair: json_extract_string(pair, '$[0]') = ${sql.bind(key)})) -> '$[1]', 'null')`;
    return INDEX.test(key) ? `coalesce(nullif(json_extract(${outer}, '$[${key}]'), 'null'), ${entry})` : entry;
  };
  const found = waysInto(inner).map((way) => way.reduce(step, value));
  return `list_transform([coalesce(${found.join(', ')}, NULL::JSON)], lambda v: CASE json_type(v)
    WHEN 'VARCHAR' THEN 's' || (v ->> '$') WHEN 'BOOLEAN' THEN CASE v WHEN 'true' THEN 'b1' ELSE 'b0' END
    WHEN 'OBJECT' THEN coalesce('i' || (v ->> '$.i'), 'd' || (v ->> '$.d'), 'x' || (v ->> '$.x'), 'j' || v) WHEN 'ARRAY' THEN 'j' || v END)[1]`;
}

/** Inside JSON as anybody writes it. */
function jsonText(value: string, inner: readonly string[], sql: SqlBuilder): string {
  const found = waysInto(inner).map((way) => `nullif(json_extract(${value}, ${sql.bind(pointer(way))}), 'null')`);
  return `list_transform([coalesce(${found.join(', ')}, NULL::JSON)], lambda v: CASE json_type(v)
    WHEN 'VARCHAR' THEN 's' || (v ->> '$') WHEN 'BOOLEAN' THEN CASE v WHEN 'true' THEN 'b1' ELSE 'b0' END
    WHEN 'DOUBLE' THEN 'd' || v WHEN 'OBJECT' THEN 'j' || v WHEN 'ARRAY' THEN 'j' || v WHEN 'NULL' THEN NULL ELSE 'i' || v END)[1]`;
}

/** SQL of a reading of typed text; NULL for what has none. */
const READINGS: Readonly<Record<'string' | 'number' | 'boolean', (text: string) => string>> = {
  // Of lists the text as JSON: numbers as they are, and nothing where it holds maps or bytes.
  string: (
    text,
  ) => `CASE ${text}[1] WHEN 's' THEN substr(${text}, 2) WHEN 'i' THEN substr(${text}, 2) WHEN 'd' THEN substr(${text}, 2)
      WHEN 'b' THEN CASE ${text} WHEN 'b1' THEN 'true' ELSE 'false' END
      WHEN 'j' THEN CASE WHEN ${text}[2] = '[' AND NOT contains(${plainList(text)}, '{"') THEN ${plainList(text)} END END`,
  number: (text) => {
    const number = `TRY_CAST(substr(${text}, 2) AS DOUBLE)`;
    return `CASE WHEN ${text}[1] IN ('i', 'd', 's') AND regexp_full_match(substr(${text}, 2), '${NUMBER_TEXT}') AND isfinite(${number}) THEN ${number} END`;
  },
  boolean: (text) =>
    `CASE WHEN ${text} IN ('b1', 'i1', 'd1') OR lower(${text}) = 'strue' THEN true WHEN ${text} IN ('b0', 'i0', 'd0', 'd-0') OR lower(${text}) = 'sfalse' THEN false END`,
};

/** In a string a quote is escaped, so what looks like a typed number is one. */
function plainList(text: string): string {
  return `regexp_replace(substr(${text}, 2), '\\{"[id]":"([^"\\\\]*)"\\}', '\\1', 'g')`;
}

/** SQL: the attribute read as this type, at the first place where there is something to read. */
export function attributeReading(
  type: 'string' | 'number' | 'boolean',
  places: readonly AttributePlace[],
  row: string,
  sql: SqlBuilder,
): string {
  const readings = places.map((place) => {
    const text = placeText(place, row, sql);
    // Rows without the attribute are told by the letters of its name, which is faster than to look for it in JSON.
    const mayBeThere = lettersOfAttribute(`${row}attributes`, place.key, '', false, sql);
    // The text of what is inside is long SQL: said once.
    const reading =
      place.inner.length === 0
        ? READINGS[type](text)
        : `list_transform([${text}], lambda t: ${READINGS[type]('t')})[1]`;
    return `CASE WHEN ${mayBeThere} THEN ${reading} END`;
  });
  return readings.length === 1 ? readings[0]! : `coalesce(${readings.join(', ')})`;
}

/** SQL: there is something at one of the places. */
export function attributeExists(places: readonly AttributePlace[], row: string, sql: SqlBuilder): string {
  return `(${places.map((place) => `${placeText(place, row, sql)} IS NOT NULL`).join(' OR ')})`;
}
