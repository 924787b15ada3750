/**
 * Reads the values of an Arrow column out of its buffers, as Arrow's format describes them.
 *
 * Independent of what wrote them, and of Arrow's own accessors, which round nanoseconds to a double of milliseconds.
 */
import { type Data, DataType, type Vector } from 'apache-arrow';

export function readColumn(column: Vector): unknown[] {
  return column.data.flatMap(readData);
}

function readData(data: Data): unknown[] {
  const { type } = data;
  const decoder = new TextDecoder();
  const elements = DataType.isList(type) ? readData(data.children[0]!) : [];
  const fields = DataType.isStruct(type) ? data.children.map(readData) : [];
  return Array.from({ length: data.length }, (_, row) => {
    if (data.nullCount > 0 && ((data.nullBitmap[row >> 3]! >> (row & 7)) & 1) === 0) return null;
    if (DataType.isBool(type)) return ((data.values[row >> 3]! >> (row & 7)) & 1) === 1;
    if (DataType.isFloat(type) || DataType.isInt(type) || DataType.isTimestamp(type)) return data.values[row];
    if (DataType.isStruct(type)) {
      return Object.fromEntries(type.children.map(({ name }, index) => [name, fields[index]![row]]));
    }
    const from = data.valueOffsets[row];
    const to = data.valueOffsets[row + 1];
    if (DataType.isList(type)) return elements.slice(from, to);
    const bytes = (data.values as Uint8Array).slice(from, to);
    return DataType.isUtf8(type) ? decoder.decode(bytes) : bytes;
  });
}
