/** The spans that the contract's cases send.   Testing: fixed times, random ids. */
import { randomBytes } from 'node:crypto';
import type { AnyValue, OtlpSpan } from '../../../otlp/index.js';

/** When the cases take place, in nanoseconds since 1970: a whole second, so that a bucket begins with it. */
export const T0 = 1_780_000_000_000_000_000n;
export const MILLI = 1_000_000n;

export const hexId = (bytes: 8 | 16) => randomBytes(bytes).toString('hex');

export type ContractSpanFields = Partial<Omit<OtlpSpan, 'attributes' | 'status'>> & {
  attributes?: Record<string, AnyValue>;
  /** Start, in milliseconds from `T0`. */
  at?: number;
  /** Duration. */
  millis?: number;
  status?: 0 | 1 | 2;
};

/** A valid root span named `search` at `T0`, with ids of its own. */
export function contractSpan(fields: ContractSpanFields = {}): OtlpSpan {
  const { at = 0, millis = 10, attributes = {}, status = 0, ...rest } = fields;
  const start = T0 + BigInt(at) * MILLI;
  return {
    traceId: hexId(16),
    spanId: hexId(8),
    traceState: '',
    parentSpanId: '',
    flags: 0x101,
    name: 'search',
    kind: 1,
    startTimeUnixNano: start,
    endTimeUnixNano: start + BigInt(millis) * MILLI,
    attributes: new Map(Object.entries(attributes)),
    droppedAttributesCount: 0,
    events: [],
    droppedEventsCount: 0,
    links: [],
    droppedLinksCount: 0,
    status: { code: status, message: status === 2 ? 'it broke' : '' },
    ...rest,
  };
}
