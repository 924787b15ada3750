/** Whose a span is, what is refused and why, and what counts as known. */
import { type AnyValue, encodeTraces, encodeTracesJson, type OtlpSpan } from '@cogniverse/foundation/otlp';
import type { IngestResult, TelemetryStore } from '@cogniverse/foundation/telemetry';
import { describe, expect, it } from 'vitest';
import {
  ACME,
  allPages,
  allSpanIds,
  hex,
  openStore,
  request,
  resourceOf,
  span,
  spans,
  temporaryDirectory,
  traces,
} from './store-fixture.js';

const tenantOf = (tenant: AnyValue, n: number) => span(n, { attributes: new Map([['tenant.id', tenant]]) });

async function projectsOf(store: TelemetryStore): Promise<Record<string, number>> {
  const projects = await store.listProjects();
  return Object.fromEntries(projects.map(({ tenantId, name, spanCount }) => [`${tenantId}/${name}`, spanCount]));
}

describe('a span belongs', () => {
  it("to the key's tenant, else to its own, else to its resource's, else to none", async () => {
    const store = await openStore();
    const ingest = (list: OtlpSpan[], resource: [string, AnyValue][], tenantId?: string) =>
      store.ingest({ ...request(list, new Map(resource)), tenantId });
    await ingest([span(0)], [['tenant.id', 'of resource']]);
    await ingest([tenantOf('of span', 1)], [['tenant.id', 'of resource']]);
    await ingest([span(2), tenantOf('', 3)], []);
    await ingest([span(4)], [], 'of key');
    await ingest([tenantOf('of key', 5)], [['tenant.id', 'of resource']], 'of key');
    expect(await projectsOf(store)).toEqual({
      'of resource/default': 1,
      'of span/default': 1,
      'null/default': 2,
      'of key/default': 2,
    });
    expect(await store.listTenants()).toContainEqual({ tenantId: null, projectCount: 1, spanCount: 2 });
  });

  it('to the project of its resource, else of the header, else to the default one', async () => {
    const store = await openStore();
    const named = new Map([['openinference.project.name', 'of resource']]);
    await store.ingest({ ...request([span(0)], named), projectName: 'of header' });
    await store.ingest({ ...request([span(1)], new Map()), projectName: 'of header' });
    await store.ingest({ ...request([span(2)], new Map()), projectName: '' });
    expect(await projectsOf(store)).toEqual({ 'null/of resource': 1, 'null/of header': 1, 'null/default': 1 });
  });

  it('to one project of one tenant, however alike their names are', async () => {
    const store = await openStore();
    const refs = [
      { tenantId: 'a', name: 'b/c' },
      { tenantId: 'a/b', name: 'c' },
      { tenantId: 'null', name: 'c' },
      { tenantId: null, name: 'c' },
      { tenantId: 'é', name: 'c' },
      { tenantId: 'e\u0301', name: 'c' },
      { tenantId: '../..', name: '\0' },
      { tenantId: "'", name: '"; DROP TABLE spans; --' },
    ];
    for (const [n, ref] of refs.entries()) {
      await store.ingest(request([span(0, { name: String(n) })], resourceOf(ref)));
    }
    const projects = await store.listProjects();
    expect(new Set(projects.map(({ id }) => id)).size).toBe(refs.length);
    for (const [n, ref] of refs.entries()) {
      const found = await allPages(store, { project: ref });
      expect(found.map((item) => [item.project, item.span.name])).toEqual([[ref, String(n)]]);
      const [listed] = await store.listProjects(ref);
      expect(listed).toMatchObject({ ...ref, spanCount: 1, traceCount: 1 });
      expect(await store.getProjectById({ id: listed!.id })).toEqual(listed);
      const identity = { id: listed!.id, ...ref, description: '' };
      expect(await store.findProjects({ idOrName: listed!.id })).toEqual([identity]);
      expect(await store.findProjects({ idOrName: ref.name, tenantId: ref.tenantId })).toEqual([identity]);
      expect(await store.findProjects({ idOrName: ref.name })).toContainEqual(identity);
    }
    expect(await store.findProjects()).toEqual(
      projects.map(({ id, tenantId, name }) => ({ id, tenantId, name, description: '' })),
    );
    expect(await store.getProjectById({ id: '0'.repeat(32) })).toBeUndefined();
    expect(await store.findProjects({ idOrName: '0'.repeat(32) })).toEqual([]);
    expect(await store.getProjectById({ id: "' OR true" })).toBeUndefined();
  });
});

describe('a request', () => {
  it('keeps the good spans and says of the others how many, why, and whose they were', async () => {
    const store = await openStore();
    const list = [
      ...spans(0, 3),
      tenantOf('other', 3),
      tenantOf(5n, 4),
      span(5, { traceId: hex(0, 32) }),
      span(6, { spanId: hex(0, 16) }),
      tenantOf('x'.repeat(513), 7),
    ];
    const result = await store.ingest({ ...request(list, new Map()), tenantId: 'acme', projectName: ACME.name });
    expect(result).toMatchObject({
      status: 'stored',
      acceptedSpans: 3,
      rejectedSpans: 5,
      tenants: [{ tenantId: 'acme', accepted: 3, rejected: 5, duplicate: 0 }],
    });
    const { message } = result as Extract<IngestResult, { status: 'stored' }>;
    expect(message).toMatch(/^5 spans rejected; /);
    expect(message).toContain('tenant_mismatch: 1');
    expect(message).toContain('invalid_tenant: 2');
    expect(message).toContain('invalid_span: 2');
    expect(message.length).toBeLessThan(1001);
    expect(await allSpanIds(store)).toEqual(spans(0, 3).map(({ spanId }) => spanId));
  });

  it('that is no OTLP, or too much of it, stores nothing and breaks nothing', async () => {
    const store = await openStore();
    const ingest = (body: Uint8Array, format: 'protobuf' | 'json') => store.ingest({ body, format });
    expect(await ingest(Buffer.from([0xff, 0xff, 0xff]), 'protobuf')).toMatchObject({ code: 'malformed' });
    expect(await ingest(Buffer.from('{"resourceSpans":[{'), 'json')).toMatchObject({ code: 'malformed' });
    const many = encodeTraces(traces(spans(0, 100_001)));
    expect(await ingest(many, 'protobuf')).toMatchObject({ status: 'invalid', code: 'too_many_elements' });
    expect(await ingest(new Uint8Array(), 'protobuf')).toMatchObject({ status: 'stored', acceptedSpans: 0 });
    expect(await store.ingest(request([span(0)]))).toMatchObject({ status: 'stored' });
    expect(await allSpanIds(store)).toHaveLength(1);
  });

  it("may come as a view of a larger buffer, which stays the caller's", async () => {
    const store = await openStore();
    const body = request([span(0)]).body;
    const block = Buffer.alloc(body.length + 20, 7);
    block.set(body, 10);
    await store.ingest({ body: block.subarray(10, 10 + body.length), format: 'protobuf' });
    expect(block.length).toBe(body.length + 20);
    expect(block[0]).toBe(7);
    expect(await allSpanIds(store)).toHaveLength(1);
  });
});

describe('a span that comes twice', () => {
  it('is stored once: in a request of other bytes, hot, flushed, and over a restart', async () => {
    const dataDir = temporaryDirectory();
    const store = await openStore({ dataDir, segmentMaxSpans: 10 });
    const expected = spans(0, 10).map(({ spanId }) => spanId);
    const duplicates = async (list: OtlpSpan[], target = store) => {
      const result = await target.ingest(request(list));
      return result.status === 'stored' ? result.tenants[0]?.duplicate : result;
    };
    expect(await duplicates(spans(0, 6))).toBe(0);
    // Known, because they are hot.
    expect(await duplicates(spans(3, 3))).toBe(3);
    expect(await allSpanIds(store)).toEqual(expected.slice(0, 6));
    expect(await duplicates(spans(3, 7))).toBe(3);
    // By now they are being flushed; what comes again hides behind the day file.
    for (let round = 0; round < 6; round++) {
      await duplicates(spans(round, 4));
      expect(await allSpanIds(store)).toEqual(expected);
      const [project] = await store.listProjects();
      expect(project).toMatchObject({ spanCount: 10, traceCount: 2 });
    }
    await store.shutdown();
    const again = await openStore({ dataDir });
    expect(await duplicates(spans(0, 10), again)).toBe(0);
    expect(await allSpanIds(again)).toEqual(expected);
    await again.shutdown();
    expect(await allSpanIds(await openStore({ dataDir }))).toEqual(expected);
  });

  it('in two formats, or in one request, is stored once', async () => {
    const store = await openStore();
    await store.ingest(request([span(0), span(0, { name: 'again' })]));
    await store.ingest({ body: Buffer.from(JSON.stringify(encodeTracesJson(traces([span(0)])))), format: 'json' });
    const found = await allPages(store, { project: ACME });
    expect(found.map((item) => item.span.name)).toEqual(['step 0']);
  });

  it('is two spans when two tenants send it, or it goes to two projects', async () => {
    const store = await openStore();
    await store.ingest({ ...request([span(0)], new Map()), tenantId: 'a' });
    await store.ingest({ ...request([span(0)], new Map()), tenantId: 'b' });
    await store.ingest({ ...request([span(0)], new Map()), tenantId: 'b', projectName: 'p' });
    expect(await projectsOf(store)).toEqual({ 'a/default': 1, 'b/default': 1, 'b/p': 1 });
  });
});

describe('a span of an odd time', () => {
  it('is found by its exact time, whatever day it claims', async () => {
    const dataDir = temporaryDirectory();
    const store = await openStore({ dataDir });
    const times = [0n, 1n, 2n ** 63n - 1n, 946_684_800_000_000_001n, 4_102_444_800_000_000_000n];
    await store.ingest(request(times.map((time, n) => span(n, { startTimeUnixNano: time, endTimeUnixNano: time }))));
    const check = async (target: TelemetryStore) => {
      for (const time of times) {
        const found = await allPages(target, {
          project: ACME,
          startTime: time,
          endTime: time === 2n ** 63n - 1n ? undefined : time + 1n,
        });
        expect(found.map((item) => item.span.startTimeUnixNano)).toEqual([time]);
      }
      const ordered = await allPages(target, { project: ACME, order: 'asc', limit: 1 });
      expect(ordered.map((item) => item.span.startTimeUnixNano)).toEqual([...times].sort((a, b) => (a < b ? -1 : 1)));
    };
    await check(store);
    await store.shutdown();
    await check(await openStore({ dataDir }));
  });
});
