/**
 * Writes values into Arrow's buffers.   Read path: column -> [arrow-data] -> record batch.
 *
 * Not through Arrow's own builders: their nanosecond times pass through a double of milliseconds, which loses the last digits.
 */
import type { Data, DataType, Field } from 'apache-arrow';
import { toJsonForm } from '../providers/json-form.js';

export type Arrow = typeof import('apache-arrow');

/** Largest offset in a column of texts, bytes or lists. */
const OFFSET_MAX = 2 ** 31 - 1;

/** Name of the metadata of a field whose texts are JSON. */
export const CONTENT_TYPE = 'content_type';
export const JSON_CONTENT = new Map([[CONTENT_TYPE, 'application/json']]);

/** The values `from` to `to` (not included) as a column of `field`'s type; undefined and null are null. Errors: `RangeError` for more than 2 GiB of text. */
export function toData(
  arrow: Arrow,
  field: Field,
  values: readonly unknown[],
  from = 0,
  to: number = values.length,
): Data {
  const { type } = field;
  const { DataType, makeData } = arrow;
  const length = to - from;
  const validity = new Uint8Array((length + 7) >> 3);
  let nullCount = 0;
  for (let index = 0; index < length; index += 1) {
    if (isMissing(type, arrow, values[from + index])) nullCount += 1;
    else setBit(validity, index);
  }
  const isSet = (index: number) => ((validity[index >> 3]! >> (index & 7)) & 1) === 1;
  const common = { length, nullCount, nullBitmap: nullCount === 0 ? null : validity };
  if (DataType.isBool(type)) {
    const data = new Uint8Array((length + 7) >> 3);
    for (let index = 0; index < length; index += 1) if (values[from + index] === true) setBit(data, index);
    return makeData({ type, ...common, data });
  }
  if (DataType.isFloat(type)) {
    const data = new Float64Array(length);
    for (let index = 0; index < length; index += 1) if (isSet(index)) data[index] = Number(values[from + index]);
    return makeData({ type, ...common, data });
  }
  if (DataType.isInt(type) || DataType.isTimestamp(type)) {
    const data = new BigInt64Array(length);
    for (let index = 0; index < length; index += 1) {
      if (isSet(index)) data[index] = BigInt(values[from + index] as number | bigint);
    }
    return DataType.isInt(type) ? makeData({ type, ...common, data }) : makeData({ type, ...common, data });
  }
  const valueOffsets = new Int32Array(length + 1);
  if (DataType.isUtf8(type)) {
    const json = field.metadata.get(CONTENT_TYPE) === JSON_CONTENT.get(CONTENT_TYPE);
    const texts = new Array<string>(length);
    for (let index = 0, offset = 0; index < length; index += 1) {
      const value = values[from + index];
      const text = isSet(index) ? (json ? JSON.stringify(toJsonForm(value)) : String(value)) : '';
      texts[index] = text;
      offset = nextOffset(field, offset, Buffer.byteLength(text));
      valueOffsets[index + 1] = offset;
    }
    const data = Buffer.allocUnsafeSlow(valueOffsets[length]!);
    for (let index = 0; index < length; index += 1) data.write(texts[index]!, valueOffsets[index]!);
    return makeData({ type, ...common, valueOffsets, data });
  }
  if (DataType.isBinary(type)) {
    for (let index = 0; index < length; index += 1) {
      const size = isSet(index) ? (values[from + index] as Uint8Array).length : 0;
      valueOffsets[index + 1] = nextOffset(field, valueOffsets[index]!, size);
    }
    const data = new Uint8Array(valueOffsets[length]!);
    for (let index = 0; index < length; index += 1) {
      if (isSet(index)) data.set(values[from + index] as Uint8Array, valueOffsets[index]);
    }
    return makeData({ type, ...common, valueOffsets, data });
  }
  if (DataType.isList(type)) {
    const elements: unknown[] = [];
    for (let index = 0; index < length; index += 1) {
      if (isSet(index)) for (const element of values[from + index] as readonly unknown[]) elements.push(element);
      valueOffsets[index + 1] = nextOffset(field, 0, elements.length);
    }
    return makeData({ type, ...common, valueOffsets, child: toData(arrow, type.children[0]!, elements) });
  }
  if (DataType.isStruct(type)) {
    const rows = values.slice(from, to) as readonly Record<string, unknown>[];
    const children = type.children.map((child) =>
      toData(
        arrow,
        child,
        rows.map((row) => row[child.name]),
      ),
    );
    return makeData({ type, ...common, children });
  }
  throw new TypeError(`Column "${field.name}" has the type ${String(type)}, which is not written here.`);
}

/** A time that 64 bits of nanoseconds cannot hold (after 2262) is missing too. */
function isMissing(type: DataType, { DataType }: Arrow, value: unknown): boolean {
  if (value === undefined || value === null) return true;
  return DataType.isTimestamp(type) && BigInt.asIntN(64, value as bigint) !== value;
}

function setBit(bits: Uint8Array, index: number): void {
  bits[index >> 3]! |= 1 << (index & 7);
}

function nextOffset(field: Field, offset: number, size: number): number {
  const next = offset + size;
  if (next <= OFFSET_MAX) return next;
  throw new RangeError(
    `Column "${field.name}" holds more than 2 GiB of text. Make a table of fewer records at a time.`,
  );
}
