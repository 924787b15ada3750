/** The public names of `@cogniverse/foundation/otlp`. */
import * as otlp from '@cogniverse/foundation/otlp';
import { expect, it } from 'vitest';

it('shows these names and no others', () => {
  expect(Object.keys(otlp).sort()).toMatchInlineSnapshot(`
    [
      "DEFAULT_OTLP_LIMITS",
      "MAX_ENCODE_DEPTH",
      "OtlpDecodeError",
      "OtlpDouble",
      "OtlpEncodeError",
      "ProtoWriter",
      "decodeExportResponse",
      "decodeExportResponseJson",
      "decodeTraces",
      "decodeTracesJson",
      "encodeExportResponse",
      "encodeExportResponseJson",
      "encodeResource",
      "encodeScopePrefix",
      "encodeSpanInto",
      "encodeTraces",
      "encodeTracesJson",
      "validateSpan",
      "varintSize",
    ]
  `);
});
