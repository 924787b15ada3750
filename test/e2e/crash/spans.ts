/** Spans that can be made again from their index alone, so that whoever reads one back knows what it must look like. */
import { encodeTraces, type OtlpSpan, type OtlpTraces } from '@cogniverse/foundation/otlp';

const TENANTS = 5;
const hex = (value: number, digits: number) => value.toString(16).padStart(digits, '0');

export const tenantOf = (index: number) => `tenant-${Math.floor(index / 20) % TENANTS}`;
/** Each round writes to projects of its own, from a block of indexes of its own. */
export const ROUND_SIZE = 1_000_000;
export const projectOf = (tenantId: string, round: number) => `cogniverse-${tenantId}-round${round}`;
export const tenants = Array.from({ length: TENANTS }, (_, i) => `tenant-${i}`);
export const indexOf = (span: OtlpSpan) => Number.parseInt(span.spanId, 16) - 1;

export const EPOCH = 1_760_000_000_000_000_000n;

/** The span of this index. Days, kinds, value types and sizes vary with it. */
export function spanOf(index: number): OtlpSpan {
  // Some spans belong to days before: late ones go to day files of their own.
  const start = EPOCH - BigInt(index % 3) * 86_400_000_000_000n + BigInt(index) * 1_000_003n;
  return {
    traceId: hex(Math.floor(index / 4) + 1, 32),
    spanId: hex(index + 1, 16),
    traceState: index % 7 === 0 ? 'vendor=value' : '',
    parentSpanId: index % 4 === 0 ? '' : hex(index - (index % 4) + 1, 16),
    flags: index % 2 === 0 ? 0x101 : 1,
    name: `operation ${index % 11} – ünïcode`,
    kind: 1 + (index % 5),
    startTimeUnixNano: start,
    endTimeUnixNano: start + BigInt(1_000_001 * (1 + (index % 900))),
    attributes: new Map<string, OtlpSpan['attributes'] extends Map<string, infer V> ? V : never>([
      ['tenant.id', tenantOf(index)],
      ['index', BigInt(index)],
      ['score', index / 7],
      ['whole', 12],
      ['flag', index % 2 === 0],
      ['bytes', Uint8Array.of(index & 255, 0, 255)],
      ['list', [1n, 2, 'three', null]],
      ['map', new Map([['nested', BigInt(index) * 1_000_003n]])],
      ['input.value', `question ${index} `.repeat(1 + (index % 40))],
    ]),
    droppedAttributesCount: index % 3,
    events:
      index % 5 === 0
        ? [
            {
              timeUnixNano: start + 17n,
              name: 'search_results',
              attributes: new Map([['rank', 1n]]),
              droppedAttributesCount: 0,
            },
          ]
        : [],
    droppedEventsCount: 0,
    links: [],
    droppedLinksCount: 0,
    status: { code: index % 13 === 0 ? 2 : 0, message: index % 13 === 0 ? 'it failed' : '' },
  };
}

/** A request of the given spans, all of one tenant. */
export function bodyOf(indexes: readonly number[]): Uint8Array {
  const traces: OtlpTraces = {
    resourceSpans: [
      {
        resource: {
          attributes: new Map([
            ['service.name', 'crash'],
            ['openinference.project.name', projectOf(tenantOf(indexes[0]!), Math.floor(indexes[0]! / ROUND_SIZE))],
          ]),
          droppedAttributesCount: 0,
        },
        schemaUrl: '',
        scopeSpans: [
          {
            scope: { name: 'crash', version: '1', attributes: new Map(), droppedAttributesCount: 0 },
            schemaUrl: '',
            spans: indexes.map(spanOf),
          },
        ],
      },
    ],
  };
  return encodeTraces(traces);
}
