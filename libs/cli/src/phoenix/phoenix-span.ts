/** A span of Phoenix as OTLP JSON.   Read path: Phoenix -> [phoenix-span] -> store. */
import type { PhoenixSpan, PhoenixValue } from './phoenix-source.js';

const KINDS: Readonly<Record<string, number>> = {
  SPAN_KIND_UNSPECIFIED: 0,
  SPAN_KIND_INTERNAL: 1,
  SPAN_KIND_SERVER: 2,
  SPAN_KIND_CLIENT: 3,
  SPAN_KIND_PRODUCER: 4,
  SPAN_KIND_CONSUMER: 5,
};

/** Attributes that OpenInference has as JSON text and Phoenix takes apart when it stores them. */
const JSON_ATTRIBUTE = /^(.*\.document\.metadata|metadata|llm\.prompt_template\.variables|tool\.parameters)\.(.+)$/;

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export interface Destination {
  readonly project: string;
  readonly tenantId: string | null;
}

/** An OTLP `TracesData` in JSON. */
export function toOtlpJson(spans: readonly PhoenixSpan[], { project, tenantId }: Destination): string {
  const resource = [{ key: 'openinference.project.name', value: { stringValue: project } }];
  if (tenantId !== null) resource.push({ key: 'tenant.id', value: { stringValue: tenantId } });
  const ownTenant = (key: string) => key !== 'tenant.id' || tenantId === null;
  return JSON.stringify({
    resourceSpans: [
      {
        resource: { attributes: resource },
        scopeSpans: [
          {
            scope: { name: 'phoenix' },
            spans: spans.map((span) => ({
              traceId: span.trace_id.toLowerCase(),
              spanId: span.span_id.toLowerCase(),
              parentSpanId: span.parent_span_id?.toLowerCase() ?? '',
              name: span.name,
              kind: typeof span.kind === 'number' ? span.kind : (KINDS[span.kind ?? ''] ?? 1),
              startTimeUnixNano: microsecondsExactly(span.start_time_unix_nano),
              endTimeUnixNano: microsecondsExactly(span.end_time_unix_nano),
              status: { code: span.status?.code ?? 0, message: span.status?.message ?? '' },
              // The tenant that was asked for is the spans' one: an attribute that names another would send them there.
              attributes: toAttributes(span.attributes ?? []).filter(({ key }) => ownTenant(key)),
              events: (span.events ?? []).map((event) => ({
                name: event.name ?? '',
                timeUnixNano: microsecondsExactly(event.time_unix_nano),
                attributes: toAttributes(event.attributes ?? []),
              })),
            })),
          },
        ],
      },
    ],
  });
}

/** Phoenix keeps microseconds, and gives them out by way of a double: the digits behind them are noise. */
function microsecondsExactly(nanoseconds: string): string {
  const micros = (BigInt(nanoseconds) + 500n) / 1000n;
  return (micros * 1000n).toString();
}

function toAttributes(attributes: readonly { readonly key: string; readonly value: PhoenixValue }[]) {
  const made: { key: string; value: object }[] = [];
  /** By the attribute that is put together again: its parts, by their path. */
  const takenApart = new Map<string, [string, Json][]>();
  for (const { key, value } of attributes) {
    const [, whole, path] = JSON_ATTRIBUTE.exec(key) ?? [];
    if (whole === undefined) {
      made.push({ key, value: toValue(value) });
      continue;
    }
    const parts = takenApart.get(whole) ?? [];
    parts.push([path!, toJson(value)]);
    takenApart.set(whole, parts);
  }
  for (const [key, parts] of takenApart) made.push({ key, value: { stringValue: JSON.stringify(nested(parts)) } });
  return made;
}

function toValue(value: PhoenixValue): object {
  if (value.string_value != null) return { stringValue: value.string_value };
  if (value.bool_value != null) return { boolValue: value.bool_value };
  if (value.int_value != null) return { intValue: value.int_value };
  if (value.double_value != null) return { doubleValue: value.double_value };
  if (value.bytes_value != null) return { bytesValue: value.bytes_value };
  if (value.array_value != null) return { arrayValue: { values: value.array_value.values.map(toValue) } };
  if (value.kvlist_value != null) {
    const values = value.kvlist_value.values.map((entry) => ({ key: entry.key, value: toValue(entry.value) }));
    return { kvlistValue: { values } };
  }
  return {};
}

function toJson(value: PhoenixValue): Json {
  if (value.int_value != null) return Number(value.int_value);
  if (value.array_value != null) return value.array_value.values.map(toJson);
  if (value.kvlist_value != null) {
    return Object.fromEntries(value.kvlist_value.values.map((entry) => [entry.key, toJson(entry.value)]));
  }
  return value.string_value ?? value.bool_value ?? value.double_value ?? null;
}

/** `a.b: 1` as `{a: {b: 1}}`; what has the keys 0, 1, 2 and so on is a list. */
function nested(parts: readonly (readonly [string, Json])[]): Json {
  const groups = new Map<string, [string, Json][]>();
  const leaves = new Map<string, Json>();
  for (const [path, value] of parts) {
    const dot = path.indexOf('.');
    if (dot === -1) {
      leaves.set(path, value);
      continue;
    }
    const head = path.slice(0, dot);
    const group = groups.get(head) ?? [];
    group.push([path.slice(dot + 1), value]);
    groups.set(head, group);
  }
  const entries = [...leaves, ...Array.from(groups, ([key, group]) => [key, nested(group)] as const)];
  const isList = leaves.size === 0 && entries.every(([key], index) => key === String(index));
  return isList ? entries.map(([, value]) => value) : Object.fromEntries(entries);
}
