/** The block of bytes that the encoder writes to. */

import fc from 'fast-check';
import protobuf from 'protobufjs';
import { describe, expect, it } from 'vitest';
import { ProtoWriter, varintSize } from '../../dist/otlp/index.js';
import { anyString } from './arbitraries.js';
import { long } from './official-codec.js';

describe('ProtoWriter', () => {
  it('writes numbers as protobufjs does', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 0xffffffff }),
        fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
        fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
        fc.double(),
        (unsigned, signed, wide, double) => {
          const ours = new ProtoWriter({ initialBytes: 1 });
          const theirs = protobuf.Writer.create();
          ours.varint(unsigned);
          theirs.uint32(unsigned);
          ours.int32(0x18, signed);
          theirs.uint32(0x18).int32(signed);
          ours.int64(0x18, wide);
          theirs.uint32(0x18).int64(long(wide, false));
          ours.fixed64(0x39, BigInt.asUintN(64, wide));
          theirs.uint32(0x39).fixed64(long(wide, false));
          const { high, low } = long(wide, false);
          ours.fixed64HighLow(0x39, high >>> 0, low >>> 0);
          theirs.uint32(0x39).fixed64(long(wide, false));
          ours.fixed32(0x85, unsigned);
          theirs.uint32(0x85).fixed32(unsigned);
          ours.double(0x21, double);
          theirs.uint32(0x21).double(double);
          expect(Buffer.from(ours.finish())).toStrictEqual(Buffer.from(theirs.finish()));
          expect(varintSize(unsigned)).toBe(protobuf.Writer.create().uint32(unsigned).finish().length);
        },
      ),
    );
  });

  it('writes any string as the platform encodes it', () => {
    fc.assert(
      fc.property(anyString, (text) => {
        const writer = new ProtoWriter({ initialBytes: 1 });
        writer.string(0x0a, text);
        const expected = Buffer.from(text);
        expect(Buffer.from(writer.finish())).toStrictEqual(
          Buffer.from(protobuf.Writer.create().uint32(0x0a).bytes(expected).finish()),
        );
      }),
    );
  });

  it('moves a message whose length takes another number of bytes than was guessed', () => {
    for (const length of [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152]) {
      const body = new Uint8Array(length).fill(7);
      const expected = Buffer.from(protobuf.Writer.create().uint32(0x0a).bytes(body).uint32(1).finish());
      for (const guess of [1, 2, 3, 4]) {
        const writer = new ProtoWriter({ initialBytes: 1 });
        const start = writer.begin(0x0a, guess);
        writer.raw(body);
        writer.end(start, guess);
        writer.byte(1);
        expect(expected.equals(writer.finish())).toBe(true);
      }
    }
  });

  it('stops at the bound of its caller, and can be used again', () => {
    const writer = new ProtoWriter({ initialBytes: 16, maxBytes: 100 });
    writer.string(0x0a, 'a'.repeat(90));
    expect(() => writer.string(0x0a, 'b'.repeat(50))).toThrow(
      expect.objectContaining({ name: 'OtlpEncodeError', code: 'too_large' }),
    );
    expect(writer.length).toBe(92);
    writer.reset();
    writer.string(0x0a, 'é'.repeat(45));
    expect(writer.length).toBe(92);
  });

  it('gives a view without a copy, and a copy that later writes leave alone', () => {
    const writer = new ProtoWriter();
    writer.byte(1);
    const [view, copy] = [writer.view(), writer.finish()];
    writer.reset();
    writer.byte(2);
    expect([view[0], copy[0], writer.length]).toEqual([2, 1, 1]);
  });
});
