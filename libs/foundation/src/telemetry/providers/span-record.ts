/** What is read of a stored span.   Read path: store -> [span-record] -> caller. */
import { SemanticConventions } from '@arizeai/openinference-semantic-conventions';
import type { AnyValue, Attributes } from '../../otlp/model.js';
import { toJsonForm } from './json-form.js';
import type {
  AttributeValue,
  OtelSpanKind,
  SpanEventRecord,
  SpanLinkRecord,
  SpanRecord,
  SpanStatusCode,
  StoredSpan,
} from './records.js';
import { sessionIdOf } from './session-id.js';

const KINDS: readonly OtelSpanKind[] = ['UNSPECIFIED', 'INTERNAL', 'SERVER', 'CLIENT', 'PRODUCER', 'CONSUMER'];
const STATUS_CODES: readonly SpanStatusCode[] = ['UNSET', 'OK', 'ERROR'];

/** The record of a stored span. It shares bytes with it, and nothing else. */
export function toSpanRecord(stored: StoredSpan): SpanRecord {
  return new StoredSpanRecord(stored);
}

class StoredSpanRecord implements SpanRecord {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly name: string;
  readonly spanKind: string;
  readonly kind: OtelSpanKind;
  readonly startTimeUnixNano: bigint;
  readonly endTimeUnixNano: bigint;
  readonly durationMillis: number;
  readonly statusCode: SpanStatusCode;
  readonly statusMessage: string;
  readonly attributes: Readonly<Record<string, AttributeValue>>;
  readonly events: readonly SpanEventRecord[];
  readonly links: readonly SpanLinkRecord[];
  readonly resource: Readonly<Record<string, AttributeValue>>;
  readonly scope: { readonly name: string; readonly version: string };
  readonly project: string;
  readonly tenantId: string | undefined;
  readonly sessionId: string | undefined;

  constructor(stored: StoredSpan) {
    const { span, project } = stored;
    const spanKind = span.attributes.get(SemanticConventions.OPENINFERENCE_SPAN_KIND);
    this.traceId = span.traceId;
    this.spanId = span.spanId;
    this.parentSpanId = span.parentSpanId === '' ? undefined : span.parentSpanId;
    this.name = span.name;
    this.spanKind = typeof spanKind === 'string' && spanKind !== '' ? spanKind.toUpperCase() : 'UNKNOWN';
    this.kind = KINDS[span.kind] ?? 'UNSPECIFIED';
    this.startTimeUnixNano = span.startTimeUnixNano;
    this.endTimeUnixNano = span.endTimeUnixNano;
    this.durationMillis = millis(span.endTimeUnixNano - span.startTimeUnixNano);
    this.statusCode = STATUS_CODES[span.status.code] ?? 'UNSET';
    this.statusMessage = span.status.message;
    this.attributes = toRecord(span.attributes);
    this.events = span.events.map((event) => ({
      name: event.name,
      timeUnixNano: event.timeUnixNano,
      attributes: toRecord(event.attributes),
    }));
    this.links = span.links.map((link) => ({
      traceId: link.traceId,
      spanId: link.spanId,
      attributes: toRecord(link.attributes),
    }));
    this.resource = toRecord(stored.resource.attributes);
    this.scope = { name: stored.scope.name, version: stored.scope.version };
    this.project = project.name;
    this.tenantId = project.tenantId ?? undefined;
    this.sessionId = sessionIdOf(span.attributes);
  }

  toJSON(): Record<string, unknown> {
    return toJsonForm({ ...this }) as Record<string, unknown>;
  }
}

/** Whole milliseconds and the rest apart, so that a long span does not lose its nanoseconds before they are rounded once. */
function millis(nanos: bigint): number {
  return Number(nanos / 1_000_000n) + Number(nanos % 1_000_000n) / 1e6;
}

function toRecord(attributes: Attributes): Record<string, AttributeValue> {
  const record: Record<string, AttributeValue> = Object.create(null);
  for (const [key, value] of attributes) record[key] = toValue(value);
  return record;
}

function toValue(value: AnyValue): AttributeValue {
  if (typeof value === 'bigint') {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }
  if (value instanceof Map) return toRecord(value);
  if (Array.isArray(value)) return value.map(toValue);
  return value;
}
