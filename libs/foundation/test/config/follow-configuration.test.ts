/** A running manager follows the configuration file: hot reload, damage, and what is stored for one tenant alone. */
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ConfigManager, FileConfigStore, type FileConfigStoreOptions } from '@cogniverse/foundation/config';
import {
  ConfigurationError,
  createTelemetry,
  type Telemetry,
  TelemetryConfig,
  type TelemetryConfigOptions,
  type TelemetryManagerOptions,
} from '@cogniverse/foundation/telemetry';
import {
  ManualClock,
  memoryTarget,
  type ScriptedBackend,
  startScriptedBackend,
} from '@cogniverse/foundation/telemetry/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Received } from '../telemetry/memory-telemetry.js';
import { fileStore, putText, temporaryDirectory, textOf } from './config-fixture.js';

interface Following {
  readonly telemetry: Telemetry;
  readonly store: FileConfigStore;
  readonly configs: ConfigManager;
  readonly warnings: string[];
  readonly received: Received;
  /** Names of the spans that arrived, once all did. */
  arrived(): Promise<string[]>;
}

const started: Telemetry[] = [];
afterEach(async () => {
  for (const telemetry of started.splice(0)) await telemetry.shutdown(1000);
});

function following(
  code: TelemetryConfigOptions = {},
  managerOptions: TelemetryManagerOptions = {},
  storeOptions: FileConfigStoreOptions = {},
): Following {
  const store = fileStore({ debounceMillis: 5, ...storeOptions });
  const configs = new ConfigManager(store);
  const warnings: string[] = [];
  const received = new Received(memoryTarget());
  const telemetry = createTelemetry(
    { flushOnExit: false, ...code },
    {
      environment: {},
      logger: { warn: (message) => warnings.push(message) },
      exportTarget: () => received.target,
      ...managerOptions,
    },
  );
  started.push(telemetry);
  telemetry.followConfiguration(configs);
  return {
    telemetry,
    store,
    configs,
    warnings,
    received,
    async arrived() {
      expect(telemetry.audit()).toBeNull();
      await telemetry.forceFlush(5000);
      expect(telemetry.audit()).toBeNull();
      return received.spans.map(({ name }) => name);
    },
  };
}

it('a listener that ends its own watching leaves nothing that goes on', async () => {
  const clock = new ManualClock();
  const store = fileStore({ clock, pollIntervalMillis: 1000 });
  await new ConfigManager(store).setTelemetryConfig('default', { level: 'basic' });
  let told = 0;
  const end = store.watch(() => {
    told += 1;
    end();
  });
  putText(store, textOf(store).replace('basic', 'verbose'));
  await clock.advance(1000);
  expect(told).toBe(1);
  expect(clock.pending).toBe(0);
});

const record = (telemetry: Telemetry, tenantId: string, name: string, component?: string) =>
  telemetry.span(name, { tenantId, component }, () => undefined);

describe('followConfiguration()', () => {
  it('takes what is stored at once, and every later change, by whichever store or process', async () => {
    const run = following();
    const other = new ConfigManager(new FileConfigStore({ path: run.store.path }));
    await other.setTelemetryConfig('default', { level: 'detailed', maxHeldSpans: 5 });
    await expect.poll(() => run.telemetry.config.level).toBe('detailed');
    expect(run.telemetry.config.maxHeldSpans).toBe(5);
    await run.configs.setTelemetryConfig('default', { level: 'verbose' });
    await expect.poll(() => run.telemetry.config.level).toBe('verbose');
    expect(run.telemetry.config.levelOf('level')).toBe('stored');
    await run.configs.restore('default', 'telemetry', 1);
    await expect.poll(() => [run.telemetry.config.level, run.telemetry.config.maxHeldSpans]).toEqual(['detailed', 5]);
  });

  it('ends with its function, and with the shutdown', async () => {
    const run = following();
    const end = run.telemetry.followConfiguration(run.configs); // in place of the first
    end();
    await run.configs.setTelemetryConfig('default', { level: 'verbose' });
    const again = following({}, {}, { path: run.store.path });
    expect([run.telemetry.config.level, again.telemetry.config.level]).toEqual(['basic', 'verbose']);
    await again.telemetry.shutdown();
    await run.configs.setTelemetryConfig('default', { level: 'detailed' });
    const third = following({}, {}, { path: run.store.path });
    await third.configs.setTelemetryConfig('default', { level: 'disabled' });
    await expect.poll(() => third.telemetry.config.level).toBe('disabled');
    expect([run.telemetry.config.level, again.telemetry.config.level]).toEqual(['basic', 'verbose']);
  });

  it('keeps the running configuration while the file is damaged, says so once, and goes on when it is mended', async () => {
    const run = following();
    await run.configs.setTelemetryConfig('default', { level: 'verbose' });
    await expect.poll(() => run.telemetry.config.level).toBe('verbose');
    const text = textOf(run.store);
    putText(run.store, text.slice(0, 40));
    await expect.poll(() => run.warnings).toEqual([expect.stringMatching(/stays as it is: .*is damaged: line \d+/)]);
    putText(run.store, text.slice(0, 40)); // the same damage
    await expect(run.configs.setTelemetryConfig('default', { level: 'basic' })).rejects.toThrow(/damaged/);
    expect(run.telemetry.config.level).toBe('verbose');
    putText(run.store, text.replace('verbose', 'detailed'));
    await expect.poll(() => run.telemetry.config.level).toBe('detailed');
    expect(run.warnings).toHaveLength(1);
  });

  it('keeps the running configuration when the file is gone, or holds what cannot be used', async () => {
    const run = following();
    await run.configs.setTelemetryConfig('default', { level: 'verbose' });
    await expect.poll(() => run.telemetry.config.level).toBe('verbose');
    const text = textOf(run.store);
    rmSync(run.store.path);
    await expect.poll(() => run.warnings).toEqual([expect.stringMatching(/is gone/)]);
    putText(run.store, text.replace('verbose', 'loud'));
    await expect
      .poll(() => run.warnings)
      .toEqual([expect.anything(), expect.stringMatching(/level = "loud".*stored for/)]);
    expect(run.telemetry.config.level).toBe('verbose');
    putText(run.store, text.replace('verbose', 'basic'));
    await expect.poll(() => run.telemetry.config.level).toBe('basic');
  });

  it('sees a file that appears in a directory made later, by looking at intervals', async () => {
    const clock = new ManualClock();
    const path = join(temporaryDirectory(), 'later', 'config.json');
    const run = following({}, {}, { path, clock, pollIntervalMillis: 1000 });
    const elsewhere = new ConfigManager(fileStore());
    await elsewhere.setTelemetryConfig('default', { level: 'verbose' });
    mkdirSync(dirname(path));
    renameSync((elsewhere.store as FileConfigStore).path, path);
    await clock.advance(999);
    expect(run.telemetry.config.level).toBe('basic');
    await clock.advance(1);
    expect(run.telemetry.config.level).toBe('verbose');
  });

  it('reads once when a file is written many times in a moment', async () => {
    const clock = new ManualClock();
    const store = fileStore({ clock, debounceMillis: 50, pollIntervalMillis: 1_000_000 });
    const configs = new ConfigManager(store);
    let events = 0;
    const end = configs.subscribe(() => {
      events += 1;
    });
    const other = new FileConfigStore({ path: store.path });
    for (let number = 0; number < 5; number++)
      await other.set({ tenantId: 'acme', scope: 'agent', service: 'agent', key: 'k' }, number);
    await expect.poll(() => clock.advance(60).then(() => events)).toBe(1);
    await clock.advance(1000);
    expect(events).toBe(1);
    end();
    expect(clock.pending).toBe(0);
  });

  it('a listener that throws costs no other listener its event', async () => {
    const configs = new ConfigManager(fileStore());
    const errors: unknown[] = [];
    const onError = (error: unknown) => errors.push(error);
    const before = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    process.on('uncaughtException', onError);
    let told = 0;
    const ends = [
      configs.subscribe(() => {
        throw new Error('of a listener');
      }),
      configs.subscribe(() => {
        told += 1;
      }),
    ];
    await configs.setConfig('acme', 'agent', 'a', 1);
    await expect.poll(() => errors).toEqual([new Error('of a listener')]);
    expect(told).toBe(1);
    for (const end of ends) end();
    process.removeListener('uncaughtException', onError);
    for (const listener of before) process.on('uncaughtException', listener);
  });

  it('throws what is wrong at its begin', () => {
    const store = fileStore();
    putText(store, '{');
    const telemetry = createTelemetry({ flushOnExit: false }, { environment: {} });
    expect(() => telemetry.followConfiguration(new ConfigManager(store))).toThrow(ConfigurationError);
  });
});

describe('what is stored for one tenant alone', () => {
  let backends: ScriptedBackend[] = [];
  beforeEach(async () => {
    backends = [await startScriptedBackend(), await startScriptedBackend()];
  });
  afterEach(async () => {
    for (const backend of backends) await backend.close();
  });
  const http = (index: number) => `${backends[index]!.httpEndpoint}/v1/traces`;
  const settled = (run: Following, tenantId: string, check: (config: TelemetryConfig) => boolean) =>
    expect.poll(() => check(run.configs.getTelemetryConfig(tenantId))).toBe(true);

  it('switches its spans off and on, live, and nobody else’s', async () => {
    const run = following({ level: 'verbose' });
    record(run.telemetry, 'acme', 'before');
    await run.configs.setTelemetryConfig('acme', { enabled: false });
    await settled(run, 'acme', ({ enabled }) => !enabled);
    const inner: boolean[] = [];
    run.telemetry.span('off', { tenantId: 'acme' }, (span) => {
      inner.push(span.isRecording());
      run.telemetry.span('off, inside', () => undefined);
      record(run.telemetry, 'other', 'of another, inside');
    });
    run.telemetry.getTracer('acme')!.startSpan('off, by a tracer').end();
    record(run.telemetry, 'other', 'of another');
    await run.configs.setTelemetryConfig('acme', { enabled: true });
    await settled(run, 'acme', ({ enabled }) => enabled);
    record(run.telemetry, 'acme', 'after');
    expect(inner).toEqual([false]);
    expect((await run.arrived()).sort()).toEqual(['after', 'before', 'of another', 'of another, inside']);
    expect(run.telemetry.getStats().export.total.started).toBe(4);
  });

  it('switches it on where all others are off', async () => {
    const run = following();
    await run.configs.setTelemetryConfig('default', { enabled: false });
    await run.configs.setTelemetryConfig('acme', { enabled: true });
    await settled(run, 'acme', ({ enabled }) => enabled);
    record(run.telemetry, 'acme', 'of acme');
    record(run.telemetry, 'other', 'of another');
    expect(await run.arrived()).toEqual(['of acme']);
  });

  it('has its own level for components', async () => {
    const run = following();
    await run.configs.setTelemetryConfig('default', { level: 'basic' });
    await run.configs.setTelemetryConfig('acme', { level: 'detailed' });
    await run.configs.setTelemetryConfig('quiet', { level: 'disabled' });
    await settled(run, 'quiet', ({ level }) => level === 'disabled');
    for (const tenantId of ['acme', 'other', 'quiet']) {
      for (const component of ['search_service', 'encoder', 'pipeline'])
        record(run.telemetry, tenantId, `${tenantId} ${component}`, component);
    }
    expect(await run.arrived()).toEqual(['acme search_service', 'acme encoder', 'other search_service']);
  });

  it('keeps back the spans of a request whose tenant turns out to be switched off', async () => {
    const run = following({ level: 'verbose' });
    await run.configs.setTelemetryConfig('acme', { enabled: false });
    await settled(run, 'acme', ({ enabled }) => !enabled);
    const request = (tenantId: string) => {
      const root = run.telemetry.tracerProvider.getTracer('http').startSpan(`request of ${tenantId}`);
      run.telemetry.withSpan(root, () => {
        run.telemetry.tracerProvider.getTracer('http').startSpan('child').end();
        run.telemetry.withTenant(tenantId, () => record(run.telemetry, tenantId, 'work'));
      });
      root.end();
    };
    request('acme');
    expect(await run.arrived()).toEqual([]);
    expect(run.telemetry.getStats().export.total).toMatchObject({ started: 2, unsampled: 2, dropped: {} });
    request('other');
    expect((await run.arrived()).sort()).toEqual(['child', 'request of other', 'work']);
  });

  it('sends its spans to its own endpoint with its own headers, and nobody’s credentials go along', async () => {
    const run = following({}, { exportTarget: undefined });
    await run.configs.setTelemetryConfig('default', { otlpEndpoint: http(0), otlpHeaders: { 'x-key': 'shared' } });
    await settled(run, 'default', ({ otlpEndpoint }) => otlpEndpoint === http(0));
    await expect.poll(() => run.telemetry.config.otlpEndpoint).toBe(http(0));
    record(run.telemetry, 'acme', 'acme before');
    expect(await run.telemetry.forceFlush(5000)).toBe(true);
    const seen = (index: number) =>
      backends[index]!.requests.flatMap(({ spans, headers }) => spans.map(({ name }) => [name, headers['x-key']]));

    await run.configs.setTelemetryConfig('acme', { otlpEndpoint: http(1) });
    await expect.poll(() => run.telemetry.getStats().export.pipeline.destinations).toBe(1);
    record(run.telemetry, 'acme', 'acme at its own');
    record(run.telemetry, 'other', 'other');
    expect(await run.telemetry.forceFlush(5000)).toBe(true);
    expect(seen(0)).toEqual([
      ['acme before', 'shared'],
      ['other', 'shared'],
    ]);
    expect(seen(1)).toEqual([['acme at its own', undefined]]);

    await run.configs.setTelemetryConfig('acme', { otlpEndpoint: http(1), otlpHeaders: { 'x-key': 'of acme' } });
    await run.configs.setTelemetryConfig('third', { otlpHeaders: { 'x-key': 'of third' } });
    await expect
      .poll(() => {
        record(run.telemetry, 'acme', 'acme with a key');
        record(run.telemetry, 'third', 'third with a key');
        return run.telemetry.forceFlush(5000).then(() => [seen(1).at(-1), seen(0).at(-1)]);
      })
      .toEqual([
        ['acme with a key', 'of acme'],
        ['third with a key', 'of third'],
      ]);
    expect(run.warnings).toEqual([]);
  });

  it('has its own queue bound, and its own synchronous export', async () => {
    const run = following({}, { clock: new ManualClock() });
    await run.configs.setTelemetryConfig('acme', { batchConfig: { maxQueueSize: 1 } });
    await run.configs.setTelemetryConfig('sync', { batchConfig: { useSyncExport: true } });
    await settled(run, 'sync', ({ batchConfig }) => batchConfig.useSyncExport);
    for (const tenantId of ['acme', 'other'])
      for (let number = 0; number < 3; number++) record(run.telemetry, tenantId, 'x');
    const { tenants } = run.telemetry.getStats().export;
    expect([tenants['acme']?.dropped, tenants['other']?.dropped]).toEqual([{ queue_full: 2 }, {}]);
    await run.telemetry.span('at once', { tenantId: 'sync' }, async () => undefined);
    expect(run.received.inProject('cogniverse-sync-video-search')).toEqual(['at once']);
    await run.configs.setTelemetryConfig('acme', { batchConfig: { maxQueueSize: 9 } });
    await settled(run, 'acme', ({ batchConfig }) => batchConfig.maxQueueSize === 9);
    record(run.telemetry, 'acme', 'x');
    expect(run.telemetry.getStats().export.tenants['acme']?.dropped).toEqual({ queue_full: 2 });
  });

  it('gives way to what registerProject() says in code', async () => {
    const run = following({}, { exportTarget: undefined });
    run.telemetry.registerProject({
      tenantId: 'acme',
      projectName: 'search',
      otlpEndpoint: http(0),
      useSyncExport: true,
    });
    await run.configs.setTelemetryConfig('acme', { otlpEndpoint: http(1), batchConfig: { useSyncExport: false } });
    await settled(run, 'acme', ({ otlpEndpoint }) => otlpEndpoint === http(1));
    await run.telemetry.span('registered', { tenantId: 'acme', projectName: 'search' }, async () => undefined);
    record(run.telemetry, 'acme', 'not registered');
    expect(await run.telemetry.forceFlush(5000)).toBe(true);
    const names = (index: number) => backends[index]!.acceptedSpans.map(({ name }) => name);
    expect([names(0), names(1)]).toEqual([['registered'], ['not registered']]);
  });

  it('stands below code and environment, option by option', async () => {
    const run = following({ batchConfig: { maxQueueSize: 2 } }, { environment: { TELEMETRY_LEVEL: 'verbose' } });
    await run.configs.setTelemetryConfig('acme', {
      level: 'disabled',
      enabled: true,
      batchConfig: { maxQueueSize: 1 },
    });
    await settled(run, 'acme', ({ level }) => level === 'disabled');
    record(run.telemetry, 'acme', 'one', 'pipeline');
    record(run.telemetry, 'acme', 'two');
    expect(await run.arrived()).toEqual(['one', 'two']);
  });

  it('has no effect for options of the whole process: one line names the tenant and the options', async () => {
    const run = following();
    const whole = new TelemetryConfig({ level: 'verbose', serviceName: 'mine', maxCachedTenants: 7 }).toDict();
    await run.configs.setTelemetryConfig('acme', TelemetryConfig.fromDict(whole)); // as a Python Cogniverse stores it
    await settled(run, 'acme', ({ level }) => level === 'verbose');
    record(run.telemetry, 'acme', 'a', 'pipeline');
    await run.configs.setConfig('acme', 'agent', 'unrelated', 1);
    await expect.poll(() => run.configs.getConfig('acme', 'agent', 'unrelated')).toBe(1);
    record(run.telemetry, 'acme', 'b', 'pipeline');
    expect(await run.arrived()).toEqual(['a', 'b']);
    expect(run.received.named('a').project).toBe('cogniverse-acme-video-search');
    expect(run.warnings).toEqual([
      expect.stringMatching(/tenant "acme" alone.*: maxCachedTenants, serviceName, flushOnExit\.$/),
    ]);
  });

  it('has no effect when it cannot be used: one line says why, and the tenant records as all others', async () => {
    const run = following({}, { exportTarget: undefined, environment: { TELEMETRY_OTLP_ENDPOINT: undefined } });
    const store = run.store;
    await run.configs.setTelemetryConfig('default', { otlpEndpoint: http(0) });
    await run.configs.setTelemetryConfig('acme', { enabled: false, otlpEndpoint: 'http://fine:4318' });
    writeFileSync(store.path, textOf(store).replace('http://fine:4318', 'http://us:er@host'));
    await expect.poll(() => run.telemetry.config.otlpEndpoint).toBe(http(0));
    await expect
      .poll(() => {
        record(run.telemetry, 'acme', 'recorded');
        return run.warnings;
      })
      .toEqual([expect.stringMatching(/stored for tenant "acme" has no effect: .*user name or password/)]);
    expect(await run.telemetry.forceFlush(5000)).toBe(true);
    expect(backends[0]!.acceptedSpans.length).toBeGreaterThan(0);
  });
});
