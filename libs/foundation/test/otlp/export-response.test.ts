/** What a receiver answers, both ways. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  decodeExportResponse,
  decodeExportResponseJson,
  encodeExportResponse,
  encodeExportResponseJson,
  OtlpDecodeError,
} from '../../dist/otlp/index.js';
import { anyString, wellFormed } from './arbitraries.js';
import { responseType } from './official-codec.js';

it('an answer goes through protobuf and JSON unchanged, and the official codec reads and writes the same', () => {
  fc.assert(
    fc.property(fc.maxSafeInteger(), anyString, (rejectedSpans, text) => {
      const response = { rejectedSpans, message: wellFormed(text) };
      const bytes = encodeExportResponse(response);
      expect(decodeExportResponse(bytes)).toStrictEqual(response);
      expect(decodeExportResponseJson(JSON.stringify(encodeExportResponseJson(response)))).toStrictEqual(response);
      const official = { partialSuccess: { rejectedSpans, errorMessage: response.message } };
      expect(decodeExportResponse(responseType.encode(official).finish())).toStrictEqual(response);
      const read = responseType.toObject(responseType.decode(bytes), { longs: Number, defaults: true })[
        'partialSuccess'
      ];
      expect(read ?? { rejectedSpans: 0, errorMessage: '' }).toStrictEqual(official.partialSuccess);
    }),
  );
});

it('full success is an empty message', () => {
  const success = { rejectedSpans: 0, message: '' };
  expect(encodeExportResponse(success)).toStrictEqual(new Uint8Array(0));
  expect(decodeExportResponse(new Uint8Array(0))).toStrictEqual(success);
  expect(encodeExportResponseJson(success)).toStrictEqual({});
  for (const json of ['{}', '{"partialSuccess":{}}', '{"partialSuccess":null}']) {
    expect(decodeExportResponseJson(json)).toStrictEqual(success);
  }
  expect(decodeExportResponseJson(Buffer.from('{"partialSuccess":{"rejectedSpans":2}}'))).toStrictEqual({
    rejectedSpans: 2,
    message: '',
  });
});

it.each([
  '',
  '<html>',
  '[]',
  '1',
  '{"partialSuccess":1}',
  '{"partialSuccess":{"rejectedSpans":"many"}}',
  '{"partialSuccess":{"errorMessage":1}}',
])('an answer that is none is malformed: %s', (json) => {
  expect(() => decodeExportResponseJson(json)).toThrow(OtlpDecodeError);
});

it('bytes that are no answer are malformed', () => {
  expect(() => decodeExportResponse(Buffer.from('<html>'))).toThrow(OtlpDecodeError);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (junk) => {
      try {
        decodeExportResponse(junk);
      } catch (error) {
        expect(error).toBeInstanceOf(OtlpDecodeError);
      }
    }),
  );
});
