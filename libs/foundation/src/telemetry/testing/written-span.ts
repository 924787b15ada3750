/** A span as a backend will read it, from the bytes that are about to be queued.   Testing: span's end -> [written-span] -> test. */
import { decodeTraces, encodeResource, ProtoWriter } from '../../otlp/index.js';
import type { TenantProject } from '../export/tenant-project.js';
import type { ScopeBytes } from '../export/tenant-queue.js';
import type { SpanRecord } from '../providers/records.js';
import { toSpanRecord } from '../providers/span-record.js';

/** The record that reading back would give. Its objects have the usual prototype, so that `assert.deepStrictEqual` takes object literals. */
export function readWrittenSpan(project: TenantProject, scopeBytes: ScopeBytes, span: Uint8Array): SpanRecord {
  const [resourceSpans] = decodeTraces(exportRequest(project, scopeBytes, span)).resourceSpans;
  const [scopeSpans] = resourceSpans!.scopeSpans;
  const record = toSpanRecord({
    project: { tenantId: project.tenantId, name: project.projectName },
    sequence: 0n,
    span: scopeSpans!.spans[0]!,
    resource: resourceSpans!.resource,
    resourceSchemaUrl: resourceSpans!.schemaUrl,
    scope: scopeSpans!.scope,
    scopeSchemaUrl: scopeSpans!.schemaUrl,
  });
  return withJson(plain({ ...record }), () => record.toJSON());
}

/** `toJSON` beside the values, where no comparison sees it. */
export function withJson<T extends object>(
  values: T,
  toJSON: () => Record<string, unknown>,
): T & { toJSON(): Record<string, unknown> } {
  return Object.defineProperty(values, 'toJSON', { value: toJSON }) as T & { toJSON(): Record<string, unknown> };
}

/** An `ExportTraceServiceRequest` of this one span. */
function exportRequest(project: TenantProject, scope: ScopeBytes, span: Uint8Array): Uint8Array {
  const resourceAttributes = project.target?.resourceAttributes ?? []; // none: a test's own target that cannot be made
  const writer = new ProtoWriter();
  const resourceSpans = writer.begin(0x0a);
  const resource = writer.begin(0x0a);
  writer.raw(encodeResource({ attributes: new Map(resourceAttributes), droppedAttributesCount: 0 }));
  writer.end(resource);
  const scopeSpans = writer.begin(0x12);
  writer.raw(scope.prefix);
  const entry = writer.begin(0x12);
  writer.raw(span);
  writer.end(entry);
  writer.end(scopeSpans);
  writer.end(resourceSpans);
  return writer.finish();
}

function plain<T>(value: T): T {
  if (Array.isArray(value)) return value.map(plain) as T;
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, plain(entry)])) as T;
}
