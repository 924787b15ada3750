/** The decoder's table of strings, with so few places that every string takes another's. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ByteInterner } from '../../dist/otlp/byte-interner.js';

it('gives the string of the bytes, whatever was in its place before', () => {
  const bytes = fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 12 }),
    // Alike but for a byte, so that a comparison that stops early is seen.
    fc
      .tuple(fc.integer({ min: 0, max: 7 }), fc.integer({ min: 97, max: 99 }))
      .map(([at, byte]) => Uint8Array.from(Buffer.from('aaaaaaaa')).fill(byte, at, at + 1)),
  );
  fc.assert(
    fc.property(fc.constantFrom(1, 2), fc.array(bytes, { minLength: 1, maxLength: 30 }), (slots, texts) => {
      const interner = new ByteInterner(slots, 8);
      for (const text of texts) {
        const source = Buffer.concat([Buffer.from('<'), text, Buffer.from('>')]);
        expect(interner.get(source, 1, text.length)).toBe(Buffer.from(text).toString());
      }
    }),
  );
});
