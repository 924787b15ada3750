import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  ConfigurationError,
  createTelemetry,
  type ProviderConfig,
  ProviderLoadError,
  ProviderNotFoundError,
  ProviderRegistry,
  TelemetryConfig,
  type TelemetryProvider,
} from '@cogniverse/foundation/telemetry';
import {
  ManualClock,
  type MemoryTarget,
  memoryTarget,
  startScriptedBackend,
} from '@cogniverse/foundation/telemetry/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

let application: string;
beforeEach(async () => {
  application = await mkdtemp(path.join(tmpdir(), 'cogniverse-registry-'));
});
afterEach(() => rm(application, { recursive: true, force: true }));

async function manifest(directory: string, content: object): Promise<void> {
  await mkdir(directory, { recursive: true });
  await writeFile(path.join(directory, 'package.json'), JSON.stringify(content));
}

/** A package that offers a provider, where a package manager would put it. */
async function install(
  packageName: string,
  providers: Record<string, string>,
  layout: 'npm' | 'pnpm' | 'hoisted' = 'npm',
  source?: string,
): Promise<void> {
  const inModules = path.join(application, 'node_modules', packageName);
  const directory = layout === 'pnpm' ? path.join(application, 'store', packageName.replace('/', '+')) : inModules;
  await manifest(directory, {
    name: packageName,
    version: '1.0.0',
    type: 'module',
    exports: './provider.js',
    cogniverse: { 'telemetry.providers': providers },
  });
  await writeFile(
    path.join(directory, 'provider.js'),
    source ??
      `export class Provider { name = ${JSON.stringify(packageName)}; initialize(config) { this.config = config; } async shutdown() {} }`,
  );
  if (layout === 'pnpm') {
    await mkdir(path.dirname(inModules), { recursive: true });
    await symlink(directory, inModules);
  }
}

const entry = './provider.js#Provider';

describe('the registry', () => {
  it("finds what the application's direct dependencies offer, in npm's, pnpm's and a workspace's layout", async () => {
    const app = path.join(application, 'apps', 'web');
    await manifest(app, { dependencies: { '@x/npm': '1', plain: '1', absent: '1' }, devDependencies: { pnpm: '1' } });
    await install('@x/npm', { one: entry }, 'hoisted');
    await install('pnpm', { two: entry }, 'pnpm');
    await install('plain', {});
    await install('indirect', { three: entry });
    const registry = new ProviderRegistry({ applicationDirectory: path.join(app, 'src', 'deep') });
    expect(registry.names()).toEqual(['one', 'two']);
    expect((await registry.create('one')).name).toBe('@x/npm');
    expect((await registry.create('two')).name).toBe('pnpm');
  });

  it('takes the only provider where none is configured; otherwise says what was looked for, where, and what to do', async () => {
    await manifest(application, { dependencies: { a: '1' } });
    const options = { applicationDirectory: application };
    expect(() => new ProviderRegistry(options).resolveName(null)).toThrow(
      /"telemetry.providers".*package\.json.*Install.*register/,
    );
    await install('a', { one: entry });
    expect(new ProviderRegistry(options).resolveName(null)).toBe('one');
    await install('a', { one: entry, two: entry });
    expect(() => new ProviderRegistry(options).resolveName(null)).toThrow(/one, two.*TELEMETRY_PROVIDER/);
    await expect(new ProviderRegistry(options).create('three')).rejects.toThrow(/"three".*Installed: one, two/);
  });

  it('refuses two packages with one name, and names what is broken', async () => {
    await manifest(application, { dependencies: { a: '1', b: '1', broken: '1', outside: '1' } });
    await install('a', {
      twice: entry,
      gone: './nothing.js#Provider',
      missing: './provider.js#Other',
      unclear: 'provider',
    });
    await install('b', { twice: entry });
    await install('broken', { broken: entry }, 'npm', 'throw new Error("no such library");');
    await install('outside', { outside: '../../secret.js#Provider' });
    const registry = new ProviderRegistry({ applicationDirectory: application });
    await expect(registry.create('twice')).rejects.toThrow(/Both a and b .*"twice"/);
    await expect(registry.create('gone')).rejects.toThrow(ProviderLoadError);
    await expect(registry.create('missing')).rejects.toThrow(/no class or function/);
    await expect(registry.create('unclear')).rejects.toThrow(/"\.\/file\.js#Export"/);
    await expect(registry.create('outside')).rejects.toThrow(/within the package/);
    await expect(registry.create('broken')).rejects.toThrow(/no such library/);
  });

  it('takes what is registered by hand, as a class or as a function', async () => {
    await manifest(application, {});
    const registry = new ProviderRegistry({ applicationDirectory: application });
    registry.register('function', () => new FakeProvider());
    registry.register('class', FakeProvider);
    for (const name of ['function', 'class']) expect(await registry.create(name)).toBeInstanceOf(FakeProvider);
    registry.register('throwing', () => {
      throw new Error('out of order');
    });
    await expect(registry.create('throwing')).rejects.toThrow(/out of order/);
  });
});

class FakeProvider implements TelemetryProvider {
  readonly name = 'fake';
  config: ProviderConfig | undefined;
  closed = 0;
  target: MemoryTarget | undefined;
  ready: Promise<void> = Promise.resolve();
  declare traces: TelemetryProvider['traces'];
  declare annotations: TelemetryProvider['annotations'];
  declare datasets: TelemetryProvider['datasets'];
  declare experiments: TelemetryProvider['experiments'];
  declare analytics: TelemetryProvider['analytics'];
  async initialize(config: ProviderConfig): Promise<void> {
    this.config = config;
    await this.ready;
  }
  configureSpanExport() {
    return this.target;
  }
  sessionContext<T>(_sessionId: string, fn: () => T): T {
    return fn();
  }
  async shutdown(): Promise<void> {
    this.closed += 1;
  }
}

describe('the manager and its provider', () => {
  function fake(setUp: (provider: FakeProvider) => void = () => undefined) {
    const providers: FakeProvider[] = [];
    const registry = new ProviderRegistry({ applicationDirectory: application });
    registry.register('fake', () => {
      const provider = new FakeProvider();
      setUp(provider);
      providers.push(provider);
      return provider;
    });
    return { registry, providers };
  }
  const warnings: string[] = [];
  const quiet = { environment: {}, logger: { warn: (message: string) => warnings.push(message) } };

  it('gives one initialized provider a tenant and project, with the settings of its project', async () => {
    const { registry, providers } = fake();
    const telemetry = createTelemetry(new TelemetryConfig({ providerConfig: { api_key: 'k' } }), {
      ...quiet,
      registry,
    });
    telemetry.registerProject({
      tenantId: 'acme',
      projectName: 'search',
      httpEndpoint: 'http://x:6006',
      otlpEndpoint: 'x:4317',
    });
    const [a, again, b] = await Promise.all([
      telemetry.getProvider('acme'),
      telemetry.getProvider('acme'),
      telemetry.getProvider('acme', 'search'),
    ]);
    expect(a).toBe(again);
    expect(b).not.toBe(a);
    expect(providers.map((provider) => provider.config)).toEqual([
      {
        tenantId: 'acme',
        projectName: 'cogniverse-acme-video-search',
        otlpEndpoint: 'localhost:4317',
        httpEndpoint: undefined,
        options: { api_key: 'k' },
      },
      {
        tenantId: 'acme',
        projectName: 'cogniverse-acme-search',
        otlpEndpoint: 'x:4317',
        httpEndpoint: 'http://x:6006',
        options: { api_key: 'k' },
      },
    ]);
    await telemetry.shutdown();
    expect(providers.map((provider) => provider.closed)).toEqual([1, 1]);
    // One that is made now would be closed by nobody.
    await expect(telemetry.getProvider('acme', 'search')).rejects.toThrow(/"acme" before shutdown\(\)/);
    expect(providers).toHaveLength(2);
  });

  it('rejects with a named error when no provider fits, and tries anew when one failed', async () => {
    const { registry } = fake();
    const missing = createTelemetry(new TelemetryConfig({ provider: 'other' }), { ...quiet, registry });
    await expect(missing.getProvider('acme')).rejects.toThrow(ProviderNotFoundError);
    let failures = 1;
    const failing = fake((provider) => {
      if (failures-- > 0)
        provider.initialize = async () => {
          throw new ConfigurationError('api_key is missing');
        };
    });
    const telemetry = createTelemetry(new TelemetryConfig(), { ...quiet, registry: failing.registry });
    await expect(telemetry.getProvider('acme')).rejects.toThrow('api_key is missing');
    expect((await telemetry.getProvider('acme')).name).toBe('fake');
  });

  it('hands the write end to a provider that is configured by name, and loses no span that ends before it is loaded', async () => {
    const target = memoryTarget();
    let load!: () => void;
    const ready = new Promise<void>((resolve) => {
      load = resolve;
    });
    const { registry } = fake((provider) => Object.assign(provider, { target, ready }));
    const telemetry = createTelemetry(new TelemetryConfig({ provider: 'fake', flushOnExit: false }), {
      ...quiet,
      registry,
    });
    for (let index = 0; index < 10; index += 1) telemetry.span('early', { tenantId: 'acme' }, () => undefined);
    expect(telemetry.getStats().export.total.held).toBe(10);
    expect(telemetry.audit()).toBeNull();
    const flushed = telemetry.forceFlush(5000);
    load();
    expect(await flushed).toBe(true);
    telemetry.span('late', { tenantId: 'acme' }, () => undefined);
    expect(await telemetry.forceFlush(5000)).toBe(true);
    expect(target.spans.map(({ span }) => span.name)).toEqual([...Array(10).fill('early'), 'late']);
    expect(target.spans[0]!.resource.attributes.get('openinference.project.name')).toBe('cogniverse-acme-video-search');
    expect(telemetry.audit()).toBeNull();
    await telemetry.shutdown();
  });

  it('counts what waits for a provider that never loads, and still ends in time', async () => {
    const { registry } = fake((provider) => {
      provider.ready = new Promise(() => undefined);
    });
    const telemetry = createTelemetry(new TelemetryConfig({ provider: 'fake', flushOnExit: false }), {
      ...quiet,
      registry,
    });
    telemetry.span('early', { tenantId: 'acme' }, () => undefined);
    expect(await telemetry.forceFlush(20)).toBe(false);
    await telemetry.shutdown(20);
    expect(telemetry.getStats().export.total).toMatchObject({ held: 0, dropped: { shutdown_timeout: 1 } });
    expect(telemetry.audit()).toBeNull();
  });

  it('never hangs a synchronous export on a provider that never loads: 5 s at most', async () => {
    const clock = new ManualClock();
    const { registry } = fake((provider) => {
      provider.ready = new Promise(() => undefined);
    });
    const telemetry = createTelemetry(
      new TelemetryConfig({ provider: 'fake', flushOnExit: false, batchConfig: { useSyncExport: true } }),
      { ...quiet, registry, clock },
    );
    let settled = false;
    void telemetry
      .span('early', { tenantId: 'acme' }, async () => undefined)
      .then(() => {
        settled = true;
      });
    await clock.advance(4999);
    expect(settled).toBe(false);
    await clock.advance(1);
    expect(settled).toBe(true);
    expect(telemetry.audit()).toBeNull();
  });

  it('exports over OTLP where the provider cannot be loaded, and says so once', async () => {
    const { registry } = fake();
    const telemetry = createTelemetry(
      new TelemetryConfig({ provider: 'absent', flushOnExit: false, otlpEndpoint: '127.0.0.1:1' }),
      { ...quiet, registry },
    );
    warnings.length = 0;
    telemetry.span('x', { tenantId: 'acme' }, () => undefined);
    telemetry.span('x', { tenantId: 'globex' }, () => undefined);
    await telemetry.forceFlush(50);
    expect(telemetry.getStats().failedInitializations).toBe(2);
    expect(warnings.filter((warning) => warning.includes('absent'))).toHaveLength(1);
    await telemetry.shutdown(50);
    expect(telemetry.audit()).toBeNull();
  });

  it("sends a project's spans to the endpoint that it was registered with, past the provider", async () => {
    const backend = await startScriptedBackend();
    const target = memoryTarget();
    const { registry } = fake((provider) => {
      provider.target = target;
    });
    const telemetry = createTelemetry(new TelemetryConfig({ provider: 'fake', flushOnExit: false }), {
      ...quiet,
      registry,
    });
    telemetry.registerProject({
      tenantId: 'acme',
      projectName: 'tests',
      otlpEndpoint: `${backend.httpEndpoint}/v1/traces`,
    });
    telemetry.span('elsewhere', { tenantId: 'acme', projectName: 'tests' }, () => undefined);
    telemetry.span('here', { tenantId: 'acme' }, () => undefined);
    expect(await telemetry.forceFlush(5000)).toBe(true);
    expect(backend.acceptedSpans.map(({ name }) => name)).toEqual(['elsewhere']);
    expect(target.spans.map(({ span }) => span.name)).toEqual(['here']);
    expect(telemetry.audit()).toBeNull();
    await telemetry.shutdown();
    await backend.close();
  });
});
