/** Attributes while they are collected: what a `Map` would hold, in the same order. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AttributeList } from '../../dist/otlp/attribute-list.js';
import { encodeSpanInto } from '../../dist/otlp/encoder.js';
import { ProtoWriter } from '../../dist/otlp/proto-writer.js';

const span = {
  traceId: '0123456789abcdef0123456789abcdef',
  spanId: '0123456789abcdef',
  traceState: '',
  parentSpanId: '',
  flags: 0,
  name: 'x',
  kind: 1,
  startTimeUnixNano: 1n,
  endTimeUnixNano: 2n,
  droppedAttributesCount: 0,
  events: [],
  droppedEventsCount: 0,
  links: [],
  droppedLinksCount: 0,
  status: { code: 0, message: '' },
};

function encoded(attributes: AttributeList | Map<string, number>): Uint8Array {
  const writer = new ProtoWriter();
  encodeSpanInto(writer, { ...span, attributes });
  return writer.finish();
}

describe('an attribute list', () => {
  it('holds and encodes what a map would, with few entries and with many', () => {
    const key = fc.oneof(fc.nat(8), fc.nat(60)).map((index) => `key ${index}`);
    fc.assert(
      fc.property(fc.array(fc.tuple(key, fc.nat()), { maxLength: 120 }), (steps) => {
        const list = new AttributeList();
        const map = new Map<string, number>();
        for (const [name, value] of steps) {
          list.set(name, value);
          map.set(name, value);
        }
        expect([...list]).toEqual([...map]);
        expect(list.size).toBe(map.size);
        for (let index = 0; index <= 60; index += 1) {
          expect(list.has(`key ${index}`)).toBe(map.has(`key ${index}`));
          expect(list.get(`key ${index}`)).toBe(map.get(`key ${index}`));
        }
        expect(encoded(list)).toEqual(encoded(map));
      }),
    );
  });
});
