/** What is particular to the provider `local`: its options, the store that tenants share, export without a network, and the manager. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { encodeTraces } from '@cogniverse/foundation/otlp';
import {
  BackendUnavailableError,
  ConfigurationError,
  createTelemetry,
  type IngestResult,
  ProviderRegistry,
  StoreOpenError,
  type TelemetryProvider,
  type TelemetryStore,
} from '@cogniverse/foundation/telemetry';
import { contractSpan } from '@cogniverse/foundation/telemetry/testing';
import { startServer } from '@cogniverse/server';
import { LocalProvider, openLocalStore } from '@cogniverse/telemetry-local';
import { describe, expect, it, onTestFinished } from 'vitest';
import { traces } from '../../../foundation/test/otlp/arbitraries.js';
import { localExportTarget } from '../../dist/local-export.js';
import { StoreLeases } from '../../dist/stores/store-leases.js';
import { deliver } from './deliver.js';

async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'cogniverse-local-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  return realpath(directory);
}

async function provider(options: Record<string, unknown>, tenantId = 'acme'): Promise<TelemetryProvider> {
  const made = new LocalProvider();
  onTestFinished(() => made.shutdown());
  await made.initialize({ tenantId, projectName: 'search', options });
  return made;
}

describe('options', () => {
  it.each([
    [{ data_dir: 'd', endpoint: 'http://127.0.0.1:1' }, /data_dir \("d"\).*endpoint/],
    [{ data_dir: '' }, /data_dir \(""\): must not be empty/],
    [{ data_dir: 'd', api_key: 'k' }, /api_key/],
    [{ dataDir: 'd' }, /dataDir/],
    [{ endpoint: 'localhost' }, /endpoint.*"localhost"/],
    [{ endpoint: 'http://h', api_key: '' }, /api_key/],
  ])('%j are refused, with what to do', async (options, told) => {
    const error = await provider(options).catch((caught: unknown) => caught as Error);
    expect(error).toBeInstanceOf(ConfigurationError);
    expect((error as Error).message).toMatch(told);
  });

  it('never show the key', async () => {
    const error = await provider({ data_dir: 'd', api_key: 'secret' }).catch((caught: unknown) => caught as Error);
    expect((error as Error).message).not.toContain('secret');
  });

  it('without any, are those of a server at its usual place', async () => {
    const made = await provider({});
    const target = made.configureSpanExport({ tenantId: 'acme', projectName: 'search' });
    expect(target?.key).toContain('127.0.0.1:6006');
    expect(target?.resourceAttributes.get('openinference.project.name')).toBe('search');
  });

  it('are asked for before anything else', async () => {
    const fresh = new LocalProvider();
    expect(() => fresh.traces).toThrow(ConfigurationError);
    expect(() => fresh.configureSpanExport({ tenantId: 'a', projectName: 'p' })).toThrow(ConfigurationError);
    await fresh.shutdown();
    const used = await provider({});
    await expect(used.initialize({ tenantId: 'b', projectName: 'p', options: {} })).rejects.toThrow(ConfigurationError);
  });
});

describe('a data directory', () => {
  it('is opened once for all tenants, however it is written, and closed with the last of them', async () => {
    const directory = await temporaryDirectory();
    const acme = await provider({ data_dir: directory });
    const globex = await provider({ data_dir: relative(process.cwd(), directory) }, 'globex');
    await deliver(acme, { tenantId: 'acme', projectName: 'search' }, [contractSpan()]);
    await acme.shutdown();
    await acme.shutdown();
    expect(await globex.traces.getSpans()).toEqual([]);
    await expect(openLocalStore({ dataDir: directory })).rejects.toThrow(StoreOpenError);
    await globex.shutdown();
    const store = await openLocalStore({ dataDir: directory });
    expect(await store.listTenants()).toEqual([{ tenantId: 'acme', projectCount: 1, spanCount: 1 }]);
    await store.shutdown();
  });

  it('that another has open is an error, and can be opened when it is free', async () => {
    const directory = await temporaryDirectory();
    const other = await openLocalStore({ dataDir: directory });
    await expect(provider({ data_dir: directory })).rejects.toThrow(StoreOpenError);
    await other.shutdown();
    expect(await (await provider({ data_dir: directory })).traces.getSpans()).toEqual([]);
  });

  it('closed and opened at the same time waits for its lock', async () => {
    const directory = await temporaryDirectory();
    const first = await provider({ data_dir: directory });
    const [, second] = await Promise.all([first.shutdown(), provider({ data_dir: directory })]);
    expect(await second.traces.getSpans()).toEqual([]);
  });

  it('keeps annotations, data sets and experiments over a restart', async () => {
    const directory = await temporaryDirectory();
    const span = contractSpan();
    const before = await provider({ data_dir: directory });
    await deliver(before, { tenantId: 'acme', projectName: 'search' }, [span]);
    const id = await before.annotations.addAnnotation({ spanId: span.spanId, name: 'n', score: 1 });
    await before.datasets.createDataset({ name: 'd', rows: [{ input: { q: 1 } }] });
    const experiment = await before.experiments.createExperiment({ name: 'e', datasetName: 'd' });
    await before.experiments.logRun(experiment, { inputs: {}, outputs: {} });
    await before.shutdown();
    const after = await provider({ data_dir: directory });
    expect(await after.annotations.getAnnotations({ spans: [span.spanId] })).toMatchObject([{ id, score: 1 }]);
    expect(await after.annotations.addAnnotation({ spanId: span.spanId, name: 'n', score: 2 })).toBe(id);
    await after.datasets.appendToDataset('d', [{ input: { q: 2 } }]);
    expect((await after.datasets.getDataset('d')).map((row) => row.input)).toEqual([{ q: 1 }, { q: 2 }]);
    await after.experiments.logRun(experiment, { inputs: { second: true }, outputs: {} });
    expect((await after.experiments.getRuns(experiment)).map((run) => run.inputs)).toEqual([{}, { second: true }]);
  });
});

describe('export into the store', () => {
  const body = () => encodeTraces(traces(contractSpan()));
  const options = { timeoutMillis: 50, spanCount: 1 };

  /** A sender over a store that answers as told. */
  function senderOver(ingest: TelemetryStore['ingest']) {
    const store = { ingest, shutdown: async () => undefined } as unknown as TelemetryStore;
    const leases = new StoreLeases();
    const acquire = () => leases.acquire('/data', async () => store);
    return localExportTarget({ acquire, dataDir: '/data', projectName: 'p' }).createSender();
  }

  it.each<[IngestResult, object]>([
    [
      { status: 'stored', acceptedSpans: 1, rejectedSpans: 2, message: 'm', tenants: [] },
      { status: 'sent', rejectedSpans: 2, message: 'm' },
    ],
    [
      { status: 'invalid', code: 'too_many_elements', message: 'm' },
      { status: 'splittable', reason: 'invalid' },
    ],
    [
      { status: 'overloaded', retryAfterMillis: 7, message: 'm' },
      { status: 'retryable', afterMillis: 7, ambiguous: false },
    ],
    [
      { status: 'unavailable', retryAfterMillis: 8, message: 'm' },
      { status: 'retryable', afterMillis: 8, ambiguous: false },
    ],
  ])('%j is told to the pipeline', async (result, expected) => {
    expect(await senderOver(async () => result).send(body(), options)).toMatchObject(expected);
  });

  it('may have stored what it did not answer in time', async () => {
    const sender = senderOver(() => new Promise(() => undefined));
    expect(await sender.send(body(), options)).toMatchObject({ status: 'retryable', ambiguous: true });
  });

  it('gives the store bytes that the pipeline can write over', async () => {
    let kept: Uint8Array = new Uint8Array();
    const sender = senderOver(async (request) => {
      kept = request.body;
      return { status: 'stored', acceptedSpans: 1, rejectedSpans: 0, message: '', tenants: [] };
    });
    const bytes = Buffer.from(body());
    const before = new Uint8Array(bytes);
    await sender.send(bytes, options);
    bytes.fill(0);
    expect(kept).toEqual(before);
  });

  it('tries a store again that could not be opened', async () => {
    let openings = 0;
    const leases = new StoreLeases();
    const open = async () => {
      openings += 1;
      if (openings === 1) throw new StoreOpenError('locked by 1234');
      return {
        ingest: async () => ({ status: 'stored', acceptedSpans: 1, rejectedSpans: 0, message: '', tenants: [] }),
        shutdown: async () => undefined,
      } as unknown as TelemetryStore;
    };
    const acquire = () => leases.acquire('/data', open);
    const sender = localExportTarget({ acquire, dataDir: '/data', projectName: 'p' }).createSender();
    expect(await sender.send(body(), options)).toMatchObject({ status: 'retryable', ambiguous: false });
    expect(await sender.send(body(), options)).toMatchObject({ status: 'sent' });
    await sender.close();
    expect(await sender.send(body(), options)).toMatchObject({ status: 'failed', reason: 'already_shutdown' });
  });

  it('has one destination for all projects of a directory', () => {
    const acquire = () => assert.fail('nothing is asked before something is sent');
    const [a, b] = ['a', 'b'].map((projectName) => localExportTarget({ acquire, dataDir: '/data', projectName }));
    expect(a?.key).toBe(b?.key);
    expect(a?.resourceAttributes).not.toEqual(b?.resourceAttributes);
  });
});

describe('with the manager', () => {
  async function manager(providerConfig: Record<string, unknown>, maxCachedTenants = 100) {
    const registry = new ProviderRegistry();
    registry.register('local', LocalProvider);
    const telemetry = createTelemetry(
      { provider: 'local', providerConfig, maxCachedTenants },
      { registry, environment: {} },
    );
    onTestFinished(() => telemetry.shutdown());
    return telemetry;
  }

  /** A server over a store of its own. Gives its address. */
  async function server(): Promise<string> {
    const store = await openLocalStore({ dataDir: await temporaryDirectory() });
    onTestFinished(() => store.shutdown());
    const running = await startServer({ store, port: 0, otlpPort: 0, grpcPort: 0, logger: { log: () => undefined } });
    onTestFinished(() => running.close());
    return running.addresses.http;
  }

  /** More than a manager keeps that has one live tenant. */
  const MANY = 105;

  it.each([
    ['in this process', async () => ({ data_dir: await temporaryDirectory() })],
    ['behind a server', async () => ({ endpoint: await server() })],
  ])('more providers than it keeps are read from one store %s', async (_where, options) => {
    const place = await options();
    const writing = await manager(place);
    const tenants = Array.from({ length: MANY }, (_, at) => `tenant${at}`);
    for (const tenantId of tenants)
      writing.span(`of ${tenantId}`, { tenantId, projectName: 'search' }, () => undefined);
    expect(await writing.forceFlush()).toBe(true);
    expect(writing.audit()).toBeNull();
    await writing.shutdown();
    const reading = await manager(place, 1); // no provider stays because spans go through it
    const providers = [];
    for (const tenantId of tenants) providers.push(await reading.getProvider(tenantId, 'search'));
    for (const at of [0, 1, MANY - 1]) {
      expect((await providers[at]!.traces.getSpans()).map((span) => span.name)).toEqual([`of tenant${at}`]);
    }
    expect(await reading.getProvider('tenant1', 'search'), 'it had been closed').not.toBe(providers[1]);
  });

  it('a provider that is closed, and has its server to itself, says that it is to be asked for again', async () => {
    const telemetry = await manager({}, 1);
    telemetry.registerProject({ tenantId: 'acme', projectName: 'search', httpEndpoint: await server() });
    const held = await telemetry.getProvider('acme', 'search');
    expect(await held.traces.getSpans()).toEqual([]);
    for (let at = 0; at < MANY; at += 1) await telemetry.getProvider('globex', `project${at}`);
    await expect(held.traces.getSpans()).rejects.toThrow(
      /^No answer .* was shut down\. Ask the manager for the provider again/,
    );
    await expect(held.traces.getSpans()).rejects.toBeInstanceOf(BackendUnavailableError);
    expect(await (await telemetry.getProvider('acme', 'search')).traces.getSpans()).toEqual([]);
  });

  it('spans are recorded and read back, each tenant its own, and every span has its fate', async () => {
    const telemetry = await manager({ data_dir: await temporaryDirectory() });
    for (const tenantId of ['acme', 'globex']) {
      telemetry.sessionSpan('root', { tenantId, projectName: 'search', sessionId: 's1' }, () =>
        telemetry.span('child', { tenantId, projectName: 'search', attributes: { of: tenantId } }, () => undefined),
      );
    }
    expect(await telemetry.forceFlush()).toBe(true);
    for (const tenantId of ['acme', 'globex']) {
      const { traces, analytics } = await telemetry.getProvider(tenantId, 'search');
      const spans = await traces.getSpans({ filters: { sessionId: 's1' }, order: 'asc' });
      expect(spans.map((span) => [span.name, span.tenantId])).toEqual([
        ['root', tenantId],
        ['child', tenantId],
      ]);
      expect(spans[1]?.attributes['of']).toBe(tenantId);
      expect(await analytics.getMetrics({ metricNames: ['trace_count'] })).toMatchObject([{ value: 1 }]);
    }
    expect(telemetry.audit()).toBeNull();
  });

  it('runs a function in a session', async () => {
    const telemetry = await manager({ data_dir: await temporaryDirectory() });
    const reader = await telemetry.getProvider('acme', 'search');
    reader.sessionContext('s 7', () =>
      telemetry.span('inside', { tenantId: 'acme', projectName: 'search' }, () => undefined),
    );
    await telemetry.forceFlush();
    expect((await reader.traces.getSpans()).map((span) => span.sessionId)).toEqual(['s 7']);
  });

  it('a program that just ends has stored what it recorded', async () => {
    const directory = await temporaryDirectory();
    const program = fileURLToPath(new URL('./fixtures/first-program.mjs', import.meta.url));
    const child = spawn(process.execPath, [program, directory], { stdio: ['ignore', 'inherit', 'inherit'] });
    onTestFinished(() => void child.kill('SIGKILL'));
    const code = await new Promise((resolve) => child.once('exit', resolve));
    expect(code).toBe(0);
    const store = await openLocalStore({ dataDir: directory });
    onTestFinished(() => store.shutdown());
    expect(await store.listTenants()).toEqual([{ tenantId: 'acme', projectCount: 1, spanCount: 1 }]);
  });
});

it('tells where it looked when no server answers', async () => {
  const { traces } = await provider({ endpoint: 'http://127.0.0.1:9' });
  const error = await traces.getSpans().catch((caught: unknown) => caught as Error);
  expect(error).toBeInstanceOf(BackendUnavailableError);
  expect((error as Error).message).toContain('http://127.0.0.1:9');
});
