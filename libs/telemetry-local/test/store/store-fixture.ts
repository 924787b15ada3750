/** What the tests of the store share: a directory, bodies of spans, and reading all pages. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Attributes,
  encodeTraces,
  type OtlpScope,
  type OtlpSpan,
  type OtlpTraces,
} from '@cogniverse/foundation/otlp';
import type { IngestRequest, StoredSpan, StoreSpanQuery, TelemetryStore } from '@cogniverse/foundation/telemetry';
import { type OpenLocalStoreOptions, openLocalStore } from '@cogniverse/telemetry-local';
import { onTestFinished } from 'vitest';

/** 2026-05-28, 20:26:40 UTC. */
export const NOON = 1_780_000_000_000_000_000n;
export const ACME = { tenantId: 'acme', name: 'search' } as const;

/** Takes what is to be done when the test ends. Tests that run at the same time each hand in their own. */
export type AtEnd = typeof onTestFinished;

export function temporaryDirectory(atEnd: AtEnd = onTestFinished): string {
  const directory = mkdtempSync(join(tmpdir(), 'cogniverse-store-'));
  atEnd(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** A store that is shut down when the test ends. */
export async function openStore(
  options: Partial<OpenLocalStoreOptions> = {},
  atEnd: AtEnd = onTestFinished,
): Promise<TelemetryStore> {
  const dataDir = options.dataDir ?? temporaryDirectory(atEnd);
  const store = await openLocalStore({ threads: 1, ...options, dataDir });
  atEnd(() => store.shutdown());
  return store;
}

export function hex(value: number | bigint, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}

/** The n-th span; each five make a trace, the first of them is its root. */
export function span(n: number, changes: Partial<OtlpSpan> = {}): OtlpSpan {
  const root = n - (n % 5);
  return {
    traceId: hex(root + 1, 32),
    spanId: hex(n + 1, 16),
    traceState: '',
    parentSpanId: n === root ? '' : hex(root + 1, 16),
    flags: 0x101,
    name: `step ${n % 5}`,
    kind: 1,
    startTimeUnixNano: NOON + BigInt(n) * 1_000_000n,
    endTimeUnixNano: NOON + BigInt(n) * 1_000_000n + 2_500_000n,
    attributes: new Map(),
    droppedAttributesCount: 0,
    events: [],
    droppedEventsCount: 0,
    links: [],
    droppedLinksCount: 0,
    status: { code: 0, message: '' },
    ...changes,
  };
}

export function spans(from: number, count: number, changes: Partial<OtlpSpan> = {}): OtlpSpan[] {
  return Array.from({ length: count }, (_, i) => span(from + i, changes));
}

export const SCOPE: OtlpScope = { name: 'test', version: '1', attributes: new Map(), droppedAttributesCount: 0 };

export function traces(list: OtlpSpan[], resource: Attributes = resourceOf(ACME)): OtlpTraces {
  return {
    resourceSpans: [
      {
        resource: { attributes: resource, droppedAttributesCount: 0 },
        schemaUrl: 'https://opentelemetry.io/schemas/1.30.0',
        scopeSpans: [{ scope: SCOPE, schemaUrl: '', spans: list }],
      },
    ],
  };
}

export function resourceOf(project: { tenantId: string | null; name: string }): Attributes {
  const attributes: Attributes = new Map([['openinference.project.name', project.name]]);
  if (project.tenantId !== null) attributes.set('tenant.id', project.tenantId);
  return attributes;
}

export function request(list: OtlpSpan[], resource?: Attributes): IngestRequest {
  return { body: encodeTraces(traces(list, resource)), format: 'protobuf' };
}

export async function allPages(store: TelemetryStore, query: StoreSpanQuery): Promise<StoredSpan[]> {
  const items: StoredSpan[] = [];
  let cursor: string | undefined;
  do {
    const page = await store.querySpans({ ...query, cursor });
    items.push(...page.items);
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return items;
}

export async function allSpanIds(store: TelemetryStore, project = ACME): Promise<string[]> {
  return (await allPages(store, { project, order: 'asc' })).map(({ span: { spanId } }) => spanId);
}
