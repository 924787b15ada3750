/** The remote store and the server's routes, over a real socket. The store behind is scripted where an answer must be exact. */

import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openRemoteStore } from '@cogniverse/foundation/client';
import { encodeTraces } from '@cogniverse/foundation/otlp';
import {
  BackendUnavailableError,
  ConfigurationError,
  DatasetExistsError,
  DatasetNotFoundError,
  ExperimentNotFoundError,
  InvalidQueryError,
  METRIC_NAMES,
  ProjectAmbiguousError,
  type ProjectRecord,
  SpanNotFoundError,
  type StoredSpan,
  type StoreSpanQuery,
  type TelemetryStore,
  TenantMismatchError,
} from '@cogniverse/foundation/telemetry';
import { contractSpan } from '@cogniverse/foundation/telemetry/testing';
import { startServer } from '@cogniverse/server';
import { openLocalStore } from '@cogniverse/telemetry-local';
import fc from 'fast-check';
import fastify, { type FastifyInstance } from 'fastify';
import { afterEach, describe, expect, it } from 'vitest';
import { anyTraces, ordered, span, traces, wellFormed } from '../../../foundation/test/otlp/arbitraries.js';
import { Authenticator } from '../../../server/dist/auth/authenticator.js';
import { registerAccess } from '../../../server/dist/auth/register-access.js';
import { registerCogniverseRoutes } from '../../../server/dist/rest/cogniverse/routes.js';

const project = { tenantId: 'acme', name: 'cogniverse-acme-search' };
const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** Without keys: everybody is the operator. */
function application(): FastifyInstance {
  const app = fastify();
  registerAccess(app, new Authenticator({ keyFile: undefined, logger: { log: () => undefined } }));
  return app;
}

/** The real routes over a store that answers as told. */
async function served(store: Partial<TelemetryStore>, onError?: (error: Error) => void): Promise<TelemetryStore> {
  const app = application();
  registerCogniverseRoutes(app, { store: store as TelemetryStore, onError });
  await app.listen({ port: 0, host: '127.0.0.1' });
  closers.push(() => app.close());
  return openRemoteStore({ endpoint: `http://127.0.0.1:${(app.server.address() as AddressInfo).port}` });
}

async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => new Promise((resolve) => server.close(resolve).closeAllConnections()));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

it('gives back a page of any spans exactly, in its order', async () => {
  let items: StoredSpan[] = [];
  const remote = await served({ querySpans: async () => ({ items, nextCursor: 'next' }) });
  await fc.assert(
    fc.asyncProperty(anyTraces, fc.nat(), async (any, turn) => {
      const { resourceSpans } = wellFormed(any); // as a store holds it: decoded from UTF-8
      items = resourceSpans
        .flatMap(({ resource, schemaUrl, scopeSpans }) =>
          scopeSpans.flatMap(({ scope, schemaUrl: scopeSchemaUrl, spans }) =>
            spans.map((one) => ({ resource, resourceSchemaUrl: schemaUrl, scope, scopeSchemaUrl, span: one })),
          ),
        )
        .map((stored, index) => ({
          ...stored,
          project: index % 3 === 0 ? { tenantId: null, name: 'default' } : project,
          sequence: 2n ** 60n + BigInt(index),
        }));
      // The page's order is the query's, not that of the resources.
      items = items.map((_, index) => items[(index + turn) % items.length]!);
      const page = await remote.querySpans({ project });
      expect(page.nextCursor).toBe('next');
      expect(page.items.map(ordered)).toEqual(items.map(ordered));
    }),
    { numRuns: 100 },
  );
});

it('sends each resource and each scope of a page once', async () => {
  const resource = () => ({ attributes: new Map([['service.name', 'search']]), droppedAttributesCount: 0 });
  const scope = { name: 'test', version: '', attributes: new Map(), droppedAttributesCount: 0 };
  const items = Array.from({ length: 50 }, (_, index) => ({
    project,
    sequence: BigInt(index),
    span: span(),
    resource: resource(),
    resourceSchemaUrl: '',
    scope,
    scopeSchemaUrl: '',
  }));
  let received = '';
  const app = application();
  registerCogniverseRoutes(app, {
    store: { querySpans: async () => ({ items, nextCursor: undefined }) } as unknown as TelemetryStore,
  });
  closers.push(() => app.close());
  received = (
    await app.inject({
      method: 'POST',
      url: '/v1/cogniverse/spans/query',
      payload: { project: { tenant_id: 'acme', name: 'x' } },
    })
  ).body;
  expect(received.match(/service\.name/g)).toHaveLength(1);
  expect(JSON.parse(received).data.spans).toHaveLength(50);
});

it('takes requests as people write them: ISO times, an empty tenant for none, and no parameter it does not know', async () => {
  const asked: unknown[] = [];
  const app = application();
  registerCogniverseRoutes(app, {
    store: {
      getStatistics: async (query: unknown) => {
        asked.push(query);
        return [];
      },
    } as unknown as TelemetryStore,
  });
  closers.push(() => app.close());
  const statuses = [];
  for (const parameters of [
    'tenant=acme&start_time=2026-01-02T03:04:05%2B01:00&end_time=1767323045000000001',
    'tenant=',
    '',
    'tenant_id=acme',
    'tenant=a&tenant=b',
    'start_time=now',
  ]) {
    statuses.push((await app.inject({ url: `/v1/cogniverse/statistics?${parameters}` })).statusCode);
  }
  expect(statuses).toEqual([200, 200, 200, 422, 422, 422]);
  expect(asked).toEqual([
    { tenantId: 'acme', startTime: 1_767_319_445_000_000_000n, endTime: 1_767_323_045_000_000_001n },
    { tenantId: null },
    {},
  ]);
  const body = await app.inject({ method: 'POST', url: '/v1/cogniverse/datasets?tenant=acme', payload: {} });
  expect([body.statusCode, body.json().detail]).toEqual([422, expect.stringContaining('JSON body')]);
});

it('carries every part of a query', async () => {
  let got: StoreSpanQuery | undefined;
  const remote = await served({
    querySpans: async (query) => {
      got = query;
      return { items: [], nextCursor: undefined };
    },
  });
  await remote.querySpans({
    project,
    startTime: new Date('2026-01-02T03:04:05.006Z'),
    endTime: 1_767_323_045_000_000_001n,
    filters: {
      name: ['a', 'ü\u0000'],
      status: 'ERROR',
      parentId: null,
      rootOnly: true,
      attributes: [
        { key: 'big', operator: 'gt', value: 2n ** 60n },
        { key: 'limit', operator: 'lt', value: Number.POSITIVE_INFINITY },
        { key: 'there', operator: 'exists' },
      ],
    },
    limit: 7,
    sort: 'sequence',
    order: 'asc',
    cursor: 'c',
  });
  expect(got).toEqual({
    project,
    startTime: 1_767_323_045_006_000_000n,
    endTime: 1_767_323_045_000_000_001n,
    filters: {
      name: ['a', 'ü\u0000'],
      status: 'ERROR',
      parentId: null,
      rootOnly: true,
      attributes: [
        { key: 'big', operator: 'gt', value: 2n ** 60n },
        { key: 'limit', operator: 'lt', value: Number.POSITIVE_INFINITY },
        { key: 'there', operator: 'exists' },
      ],
    },
    limit: 7,
    sort: 'sequence',
    order: 'asc',
    cursor: 'c',
  });
});

it('tells a tenant from no tenant and from all of them', async () => {
  const asked: unknown[] = [];
  const remote = await served({
    listProjects: async (query) => {
      asked.push(query?.tenantId);
      return [];
    },
  });
  await remote.listProjects({ tenantId: 'a&b=c' });
  await remote.listProjects({ tenantId: null });
  await remote.listProjects();
  expect(asked).toEqual(['a&b=c', null, undefined]);
});

describe('a bad request', () => {
  it.each([
    ['an unknown key', { project, limits: 3 }, 'limits'],
    ['an unknown filter', { project, filters: { naem: 'x' } }, 'naem'],
    ['a bad value, which is named', { project, limit: 5000 }, '5000'],
    ['a time without a unit', { project, startTime: 1_767_323_045 }, 'startTime'],
  ])('is refused before it is sent: %s', async (_name, query, told) => {
    const remote = openRemoteStore({
      endpoint: 'http://127.0.0.1:9',
      fetch: () => Promise.reject(new Error('was sent')),
    });
    const error = await remote.querySpans(query as unknown as StoreSpanQuery).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(InvalidQueryError);
    expect((error as Error).message).toContain(told);
  });

  it.each([
    ['spans/query', { project: { tenant_id: 'a', name: 'b' }, limits: 3 }, 'limits'],
    ['spans/query', { project: { tenant_id: 'a', name: 'b' }, limit: 5000 }, '5000'],
    ['spans/query', {}, 'project'],
    ['annotations', { project: { tenant_id: 'a', name: 'b' }, annotations: [{ span_id: 'x' }] }, 'annotations.0.name'],
  ])('to %s is answered with 422 and what is wrong', async (path, payload, told) => {
    const app = application();
    registerCogniverseRoutes(app, { store: {} as TelemetryStore });
    closers.push(() => app.close());
    const answer = await app.inject({ method: 'POST', url: `/v1/cogniverse/${path}`, payload });
    expect(answer.statusCode).toBe(422);
    expect(answer.json()).toMatchObject({ code: 'invalid_query', detail: expect.stringContaining(told) });
  });

  it('that is no JSON is answered with 422', async () => {
    const app = application();
    registerCogniverseRoutes(app, { store: {} as TelemetryStore });
    closers.push(() => app.close());
    const answer = await app.inject({
      method: 'POST',
      url: '/v1/cogniverse/spans/query',
      headers: { 'content-type': 'application/json' },
      payload: '{"project":',
    });
    expect([answer.statusCode, answer.json().code]).toEqual([422, 'invalid_query']);
  });
});

it.each([
  [TenantMismatchError, 403],
  [SpanNotFoundError, 404],
  [DatasetNotFoundError, 404],
  [ExperimentNotFoundError, 404],
  [DatasetExistsError, 409],
  [ProjectAmbiguousError, 409],
  [InvalidQueryError, 422],
  [BackendUnavailableError, 503],
])('restores a %o thrown behind the server, which answers %i', async (errorClass, status) => {
  let calls = 0;
  const store: Partial<TelemetryStore> = {
    listTenants: async () => {
      calls += 1;
      throw new errorClass('what happened, and what to do');
    },
  };
  const app = application();
  registerCogniverseRoutes(app, { store: store as TelemetryStore });
  closers.push(() => app.close());
  expect((await app.inject({ url: '/v1/cogniverse/tenants' })).statusCode).toBe(status);
  calls = 0;
  const remote = await served(store);
  const error = await remote.listTenants().catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(errorClass);
  expect((error as Error).message).toBe('what happened, and what to do');
  expect(calls).toBe(1); // the store's own word is final
});

it('does not tell what failed inside the server', async () => {
  const heard: Error[] = [];
  const failing = { listTenants: () => Promise.reject(new Error('secret path')) };
  const remote = await served(failing, (failure) => heard.push(failure));
  const error = await remote.listTenants().catch((caught: unknown) => caught as Error);
  expect(error).toBeInstanceOf(BackendUnavailableError);
  expect((error as Error).message).not.toContain('secret path');
  expect(heard.map(({ message }) => message)).toEqual(['secret path']);
});

it('answers every read as the store behind the server does', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'cogniverse-remote-'));
  closers.unshift(() => rm(dataDir, { recursive: true }));
  const store = await openLocalStore({ dataDir });
  const server = await startServer({ store, port: 0, otlpPort: 0, grpcPort: 0, logger: { log: () => undefined } });
  closers.unshift(
    () => server.close(),
    () => store.shutdown(),
  );
  const remote = openRemoteStore({ endpoint: server.addresses.http });
  const [one, two] = [
    contractSpan({
      status: 2,
      attributes: { 'tenant.id': 'acme', 'llm.model_name': 'my_model', 'llm.token_count.prompt': 3n, big: 2n ** 62n },
    }),
    contractSpan({ at: 5 }),
  ];
  for (const [body, projectName] of [
    [traces(one), 'search'],
    [traces(two), 'default'],
  ] as const) {
    const result = await remote.ingest({ body: encodeTraces(body), format: 'protobuf', projectName });
    expect(result).toMatchObject({ status: 'stored', acceptedSpans: 1, rejectedSpans: 0 });
  }
  const ref = { tenantId: 'acme', name: 'search' };
  await remote.addAnnotations({
    project: ref,
    annotations: [{ spanId: one.spanId, name: 'n', score: 0.1, metadata: { k: [null] } }],
  });
  const dataset = await remote.createDataset({ tenantId: 'acme', name: 'd', rows: [{ input: { q: 1 } }] });
  await remote.appendToDataset({ tenantId: 'acme', name: 'd', rows: [{ input: { q: 2 } }] });
  const experiment = await remote.createExperiment({ tenantId: 'acme', name: 'e', datasetName: 'd' });
  const run = await remote.logRun({
    tenantId: 'acme',
    experimentId: experiment.id,
    run: { inputs: {}, outputs: {}, startTime: new Date(0) },
  });
  await remote.logRunEvaluation({ tenantId: 'acme', runId: run.id, evaluation: { name: 'x', score: 1 } });
  const range = { startTime: new Date(0), endTime: one.endTimeUnixNano };
  const [{ id }] = (await store.listProjects(ref)) as [ProjectRecord];
  const reads: ((from: TelemetryStore) => Promise<unknown>)[] = [
    (from) => from.listTenants(),
    (from) => from.listProjects(),
    (from) => from.listProjects({ tenantId: null }),
    (from) => from.listProjects(ref),
    (from) => from.getProjectById({ id }),
    (from) => from.getProjectById({ id: 'unknown' }),
    (from) => from.getStatistics({}),
    (from) => from.getStatistics({ tenantId: 'acme', ...range }),
    (from) => from.getStatistics({ tenantId: 'nobody' }),
    (from) => from.querySpans({ project: ref, ...range }),
    (from) => from.querySpans({ project: { tenantId: null, name: 'default' } }),
    (from) => from.queryTraces({ project: ref, ...range }),
    (from) => from.getMetrics({ project: ref, metricNames: METRIC_NAMES, groupBy: 'name', bucketSeconds: 60 }),
    (from) => from.getMetrics({ tenantId: 'acme', metricNames: METRIC_NAMES, groupBy: 'project' }),
    (from) => from.getMetrics({ tenantId: null, metricNames: ['span_count'] }),
    (from) => from.getMetrics({ metricNames: ['span_count'], groupBy: 'tenant' }),
    (from) =>
      from.getMetrics({
        project: ref,
        metricNames: ['cost_total'],
        prices: { my_model: { promptPerMillionTokens: 0.1, completionPerMillionTokens: 0 } },
      }),
    (from) => from.listAnnotations({ project: ref, target: 'span', spanIds: [one.spanId] }),
    (from) => from.listAnnotations({ project: ref }),
    (from) => from.listSessions({ project: ref, ...range }),
    (from) => from.locate({ spanIds: [one.spanId] }),
    (from) => from.locate({ tenantId: 'acme', traceIds: [one.traceId] }),
    (from) => from.listDatasets({ tenantId: 'acme' }),
    (from) => from.queryDatasets({ tenantId: 'acme', order: 'desc', limit: 1 }),
    (from) => from.queryExperiments({ limit: 1 }),
    (from) => from.getDatasetRows({ tenantId: 'acme', datasetId: dataset.id }),
    (from) => from.listExperiments({ tenantId: 'acme' }),
    (from) => from.getRuns({ tenantId: 'acme', experimentId: experiment.id }),
  ];
  for (const read of reads) {
    const expected = await read(store);
    expect(await read(remote), read.toString()).toEqual(expected);
  }
  expect(Object.keys(await remote.figures())).toEqual(Object.keys(await store.figures()));
});

describe('without an answer', () => {
  it('names the endpoint and the remedy', async () => {
    const server = createServer();
    const endpoint = await listening(server);
    await new Promise((resolve) => server.close(resolve));
    const remote = openRemoteStore({ endpoint, retryDelayMillis: 0 });
    const error = await remote.listTenants().catch((caught: unknown) => caught as Error);
    expect(error).toBeInstanceOf(BackendUnavailableError);
    expect((error as Error).message).toContain(endpoint);
    expect((error as Error).message).toContain('ECONNREFUSED');
    expect((error as Error).message).toContain('cogniverse serve');
    expect(remote.health()).toMatchObject({ ready: false });
  });

  it('tries a read again, and a write never', async () => {
    const seen: string[] = [];
    const endpoint = await listening(
      createServer((request, response) => {
        seen.push(`${request.method} ${request.url}`);
        if (seen.length === 1 || request.method === 'POST') request.socket.destroy();
        else response.end('{"data":[]}');
      }),
    );
    const remote = openRemoteStore({ endpoint, retryDelayMillis: 0 });
    expect(await remote.listTenants()).toEqual([]);
    await expect(remote.createDataset({ tenantId: 'acme', name: 'd', rows: [] })).rejects.toBeInstanceOf(
      BackendUnavailableError,
    );
    expect(seen).toEqual(['GET /v1/cogniverse/tenants', 'GET /v1/cogniverse/tenants', 'POST /v1/cogniverse/datasets']);
  });

  it('gives up an attempt after its time', async () => {
    const endpoint = await listening(createServer(() => undefined));
    const remote = openRemoteStore({ endpoint, timeoutMillis: 20, maxRetries: 0 });
    await expect(remote.listTenants()).rejects.toThrow('no answer within 20 ms');
  });

  it('ends what is under way at shutdown', async () => {
    let arrived: () => void = () => undefined;
    const arrival = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    const endpoint = await listening(createServer(() => arrived()));
    const remote = openRemoteStore({ endpoint });
    const pending = remote.listTenants().catch((caught: unknown) => caught as Error);
    await arrival;
    await remote.shutdown();
    expect(await pending).toBeInstanceOf(BackendUnavailableError);
    await expect(remote.listTenants()).rejects.toThrow('shut down');
  });

  it.each([
    ['another service', 404, 'Not Found'],
    ['a page for people', 200, '<html>'],
    ['another form', 200, '{"data":[{"tenant":"x"}]}'],
    ['a redirect', 302, ''],
  ])("that is this API's, it says so: %s", async (_name, status, body) => {
    const endpoint = await listening(createServer((_request, response) => response.writeHead(status).end(body)));
    const remote = openRemoteStore({ endpoint });
    await expect(remote.listTenants()).rejects.toThrow('does not speak this API');
  });
});

it('sends the key, and never to where a redirect points', async () => {
  const seen: (string | undefined)[] = [];
  const elsewhere = await listening(
    createServer((_request, response) => {
      seen.push('elsewhere');
      response.end('{"data":[]}');
    }),
  );
  const endpoint = await listening(
    createServer((request, response) => {
      seen.push(request.headers.authorization);
      response.writeHead(307, { location: `${elsewhere}/v1/cogniverse/tenants` }).end();
    }),
  );
  await expect(openRemoteStore({ endpoint, apiKey: 'k' }).listTenants()).rejects.toBeInstanceOf(
    BackendUnavailableError,
  );
  expect(seen).toEqual(['Bearer k']);
});

it.each(['not a url', 'ftp://host', 'http://user:pass@host', 'http://host/?x=1'])(
  'refuses the endpoint %s',
  (endpoint) => {
    expect(() => openRemoteStore({ endpoint })).toThrow(ConfigurationError);
  },
);

describe('ingest', () => {
  const request = () => ({ body: encodeTraces(traces(span(), span())), format: 'protobuf' as const });

  it.each([
    [
      'what was rejected',
      200,
      Buffer.from([0x0a, 0x07, 0x08, 0x01, 0x12, 0x03, 0x62, 0x61, 0x64]),
      {},
      {
        status: 'stored',
        acceptedSpans: 1,
        rejectedSpans: 1,
        message: 'bad',
        tenants: [],
      },
    ],
    ['success', 200, Buffer.alloc(0), {}, { status: 'stored', acceptedSpans: 2, rejectedSpans: 0 }],
    ['overload', 429, Buffer.from('{}'), { 'retry-after': '7' }, { status: 'overloaded', retryAfterMillis: 7000 }],
    ['trouble', 503, Buffer.from('{}'), {}, { status: 'unavailable', retryAfterMillis: 1000 }],
    ['refusal', 400, Buffer.from('{}'), {}, { status: 'invalid' }],
  ])('reports %s', async (_name, status, body, headers, expected) => {
    const endpoint = await listening(
      createServer((incoming, response) => {
        incoming.resume().on('end', () => response.writeHead(status, headers).end(body));
      }),
    );
    expect(await openRemoteStore({ endpoint }).ingest(request())).toMatchObject(expected);
  });

  it('never rejects', async () => {
    const remote = openRemoteStore({ endpoint: 'http://127.0.0.1:1' });
    expect(await remote.ingest(request())).toMatchObject({ status: 'unavailable' });
    expect(await remote.ingest({ body: new Uint8Array([255]), format: 'protobuf' })).toMatchObject({
      status: 'invalid',
    });
  });
});
