/**
 * A stored span in the shape of Phoenix's REST.   Read path: store -> [phoenix-span] -> client.
 *
 * Source: Phoenix 20.26 `GET /v1/projects/{p}/spans`. Written as JSON text right away: 64-bit integers keep their digits, and a double
 * stays recognizable (`12.0`), which `JSON.stringify` does not do.
 */
import type { AnyValue, Attributes } from '@cogniverse/foundation/otlp';
import type { StoredSpan } from '@cogniverse/foundation/telemetry';
import { opaqueId } from './opaque-id.js';

const SPAN_KIND = 'openinference.span.kind';
const STATUS_CODES = ['UNSET', 'OK', 'ERROR'] as const;

/** One item of the list. Beside Phoenix's fields: the exact times in nanoseconds and the tenant. */
export function phoenixSpanText(stored: StoredSpan, projectId: string): string {
  const { span } = stored;
  const attributes = new Map(span.attributes);
  attributes.delete(SPAN_KIND);
  const events = span.events.map((event) =>
    objectText([
      ['name', JSON.stringify(event.name)],
      ['timestamp', JSON.stringify(isoMicros(event.timeUnixNano))],
      ['attributes', valueText(flatten(event.attributes))],
    ]),
  );
  return objectText([
    ['id', JSON.stringify(opaqueId('Span', `${projectId}:${span.spanId}`))],
    ['name', JSON.stringify(span.name)],
    ['context', JSON.stringify({ trace_id: span.traceId, span_id: span.spanId })],
    ['span_kind', JSON.stringify(phoenixSpanKind(stored))],
    ['parent_id', JSON.stringify(span.parentSpanId === '' ? null : span.parentSpanId)],
    ['start_time', JSON.stringify(isoMicros(span.startTimeUnixNano))],
    ['end_time', JSON.stringify(isoMicros(span.endTimeUnixNano))],
    ['status_code', JSON.stringify(phoenixStatusCode(stored))],
    ['status_message', JSON.stringify(span.status.message)],
    ['attributes', valueText(flatten(attributes))],
    ['events', `[${events.join(',')}]`],
    ['start_time_unix_nano', `"${span.startTimeUnixNano}"`],
    ['end_time_unix_nano', `"${span.endTimeUnixNano}"`],
    ['tenant_id', JSON.stringify(stored.project.tenantId)],
  ]);
}

/** The short form that a trace lists with `include_spans`. */
export function phoenixSpanSummary(stored: StoredSpan, projectId: string): Record<string, unknown> {
  const { span } = stored;
  return {
    id: opaqueId('Span', `${projectId}:${span.spanId}`),
    span_id: span.spanId,
    parent_id: span.parentSpanId === '' ? null : span.parentSpanId,
    name: span.name,
    span_kind: phoenixSpanKind(stored),
    status_code: phoenixStatusCode(stored),
    start_time: isoMicros(span.startTimeUnixNano),
    end_time: isoMicros(span.endTimeUnixNano),
  };
}

export function phoenixSpanKind({ span }: StoredSpan): string {
  const kind = span.attributes.get(SPAN_KIND);
  return typeof kind === 'string' && kind !== '' ? kind.toUpperCase() : 'UNKNOWN';
}

export function phoenixStatusCode({ span }: StoredSpan): 'UNSET' | 'OK' | 'ERROR' {
  return STATUS_CODES[span.status.code];
}

/** ISO 8601 in UTC to the microsecond, which is as fine as Phoenix's clients read; what is finer is cut off. As in Phoenix, no fraction where it is 0. */
export function isoMicros(nanos: bigint): string {
  const micros = nanos / 1000n;
  const seconds = new Date(Number(nanos / 1_000_000n)).toISOString().slice(0, 19);
  const fraction = micros % 1_000_000n;
  return `${seconds}${fraction === 0n ? '' : `.${String(fraction).padStart(6, '0')}`}+00:00`;
}

/** Maps, and lists that hold maps, become dotted keys; other lists stay lists. */
export function flatten(attributes: Attributes): Attributes {
  const flat: Attributes = new Map();
  for (const [key, value] of attributes) flattenInto(flat, key, value);
  return flat;
}

function flattenInto(flat: Attributes, key: string, value: AnyValue): void {
  if (value instanceof Map && value.size > 0) {
    for (const [inner, item] of value) flattenInto(flat, `${key}.${inner}`, item);
  } else if (Array.isArray(value) && value.some((item) => item instanceof Map)) {
    for (const [index, item] of value.entries()) flattenInto(flat, `${key}.${index}`, item);
  } else {
    flat.set(key, value);
  }
}

/** JSON of one attribute value: bytes as base64, NaN and infinities by name. */
export function valueText(value: AnyValue): string {
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) return `"${value}"`;
    return Number.isInteger(value) && Math.abs(value) < 1e21 ? value.toFixed(1) : String(value);
  }
  if (value instanceof Uint8Array) return `"${Buffer.from(value).toString('base64')}"`;
  if (Array.isArray(value)) return `[${value.map(valueText).join(',')}]`;
  if (value instanceof Map) return objectText(Array.from(value, ([key, item]) => [key, valueText(item)]));
  return JSON.stringify(value);
}

function objectText(entries: readonly (readonly [key: string, text: string])[]): string {
  return `{${entries.map(([key, text]) => `${JSON.stringify(key)}:${text}`).join(',')}}`;
}
