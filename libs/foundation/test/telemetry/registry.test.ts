import { mkdir, mkdtemp, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
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
  type TelemetryError,
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
  application = await realpath(await mkdtemp(path.join(tmpdir(), 'cogniverse-registry-')));
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
      `export class Provider { name = ${JSON.stringify(packageName)}; initialize() {} configureSpanExport() {} sessionContext(_, fn) { return fn(); } async shutdown() {} }`,
  );
  if (layout === 'pnpm') {
    await mkdir(path.dirname(inModules), { recursive: true });
    await symlink(directory, inModules);
  }
}

const entry = './provider.js#Provider';

const inApplication = () => new ProviderRegistry({ applicationDirectory: application });

function errorOf(fn: () => unknown): string {
  try {
    return `no error, but ${String(fn())}`;
  } catch (error) {
    expect(error).toBeInstanceOf(ProviderNotFoundError);
    return (error as Error).message;
  }
}

async function failureOf(registry: ProviderRegistry, name: string): Promise<{ code: string; message: string }> {
  const error = await registry.create(name).catch((caught: unknown) => caught);
  const { code, message } = error as TelemetryError;
  return { code, message };
}

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

  it('takes the only provider where none is configured', async () => {
    await manifest(application, { dependencies: { a: '1' } });
    await install('a', { one: entry });
    expect(inApplication().resolveName(null)).toBe('one');
    expect(inApplication().resolveName('other')).toBe('other');
  });

  it('none found: says what was looked for, where, and what to do', async () => {
    await manifest(application, { dependencies: { plain: '1', absent: '1' }, devDependencies: { 'absent-too': '1' } });
    await install('plain', {});
    expect(errorOf(() => inApplication().resolveName(null))).toBe(
      `No telemetry provider found. Looked for "cogniverse"."telemetry.providers" in the 3 direct dependencies of ${application}/package.json. absent is not installed: install it. Install a provider's package as a dependency of the application; a bundled application registers its provider by hand: registry.register(name, factory).`,
    );
  });

  it('several found and none configured: names them, and where each comes from', async () => {
    await manifest(application, { dependencies: { a: '1', '@x/b': '1' } });
    await install('a', { one: entry });
    await install('@x/b', { two: entry });
    const registry = inApplication();
    registry.register('three', FakeProvider);
    expect(errorOf(() => registry.resolveName(null))).toBe(
      'Several telemetry providers are there, and none is configured: one (a), three (registered), two (@x/b). Set "provider" (TELEMETRY_PROVIDER) to one of them.',
    );
  });

  it('unknown name: says what there is, what was looked at, and what to do', async () => {
    await manifest(application, { dependencies: { a: '1' } });
    await install('a', { one: entry });
    const registry = inApplication();
    expect(await failureOf(registry, 'langsmith')).toEqual({
      code: 'provider_not_found',
      message: `No telemetry provider named "langsmith". There is: one (a). Looked for "cogniverse"."telemetry.providers" in the one direct dependency of ${application}/package.json. Install a provider's package as a dependency of the application; a bundled application registers its provider by hand: registry.register(name, factory).`,
    });
    // It is installed meanwhile.
    await manifest(application, { dependencies: { a: '1', later: '1' } });
    await install('later', { langsmith: entry });
    expect((await registry.create('langsmith')).name).toBe('later');
  });

  it('two packages that claim one name are refused, both named; one registered by hand wins', async () => {
    await manifest(application, { dependencies: { a: '1', b: '1' } });
    await install('a', { twice: entry });
    await install('b', { twice: entry });
    const registry = inApplication();
    expect(await failureOf(registry, registry.resolveName(null))).toEqual({
      code: 'provider_load',
      message:
        'a and b offer a telemetry provider of one name, "twice". Remove all but one of them, or register one by hand with registry.register("twice", factory).',
    });
    registry.register('twice', FakeProvider);
    expect(await registry.create('twice')).toBeInstanceOf(FakeProvider);
  });

  describe('a broken package', () => {
    it('with a target that is no "./file.js#Export" within the package', async () => {
      await manifest(application, { dependencies: { a: '1' } });
      const targets = { unclear: 'provider', empty: './provider.js#', outside: '../../secret.js#Provider' };
      await install('a', targets);
      for (const [name, target] of Object.entries(targets)) {
        expect(await failureOf(inApplication(), name)).toEqual({
          code: 'provider_load',
          message: `a, "telemetry.providers"."${name}" = "${target}" is not of the form "./file.js#Export", within the package. Update a.`,
        });
      }
    });

    it('whose file is missing', async () => {
      await manifest(application, { dependencies: { a: '1' } });
      await install('a', { gone: './nothing.js#Provider' });
      expect((await failureOf(inApplication(), 'gone')).message).toMatch(
        /^a, "telemetry\.providers"\."gone" = "\.\/nothing\.js#Provider" could not be loaded: Cannot find module '.*\/node_modules\/a\/nothing\.js' imported from .+\. Reinstall or update a\.$/,
      );
    });

    it('whose file exports no such name', async () => {
      await manifest(application, { dependencies: { a: '1' } });
      await install('a', { missing: './provider.js#Other' });
      expect((await failureOf(inApplication(), 'missing')).message).toBe(
        'a, "telemetry.providers"."missing" = "./provider.js#Other": the file exports no class or function Other; it exports Provider. Update a.',
      );
    });

    it('that throws when it is imported: the error is kept as the cause', async () => {
      await manifest(application, { dependencies: { a: '1' } });
      await install('a', { broken: entry }, 'npm', 'throw new Error("No such library");');
      const error = await inApplication()
        .create('broken')
        .catch((caught: unknown) => caught);
      expect(error).toBeInstanceOf(ProviderLoadError);
      expect((error as Error).message).toBe(
        'a, "telemetry.providers"."broken" = "./provider.js#Provider" could not be loaded: No such library. Reinstall or update a.',
      );
      expect((error as Error).cause).toMatchObject({ message: 'No such library' });
    });

    it('whose class throws, or makes something that is no provider', async () => {
      await manifest(application, { dependencies: { a: '1' } });
      const source =
        'export class Throws { constructor() { throw new Error("Out of order."); } }\nexport class Half { initialize() {} shutdown() {} }\nexport const nothing = () => undefined;';
      await install(
        'a',
        { throws: './provider.js#Throws', half: './provider.js#Half', nothing: './provider.js#nothing' },
        'npm',
        source,
      );
      const registry = inApplication();
      expect((await failureOf(registry, 'throws')).message).toBe(
        'Telemetry provider "throws" could not be created: Out of order.',
      );
      expect((await failureOf(registry, 'half')).message).toBe(
        'Telemetry provider "half" is no provider: it has no configureSpanExport(), sessionContext(). Correct what is registered, or update its package.',
      );
      expect((await failureOf(registry, 'nothing')).message).toBe(
        'Telemetry provider "nothing" is no provider: it has no initialize(), configureSpanExport(), sessionContext(), shutdown(). Correct what is registered, or update its package.',
      );
    });

    it('whose package.json is damaged: told where a provider is missing; the others load', async () => {
      await manifest(application, { dependencies: { a: '1', damaged: '1', odd: '1' } });
      await install('a', { one: entry });
      await install('damaged', {});
      await writeFile(path.join(application, 'node_modules/damaged/package.json'), '{ "name": ');
      await install('odd', { two: 5 } as unknown as Record<string, string>);
      const registry = inApplication();
      expect((await registry.create(registry.resolveName(null))).name).toBe('a');
      const { message } = await failureOf(registry, 'two');
      expect(message).toMatch(
        /damaged\/package\.json cannot be read: SyntaxError: .*\. Reinstall damaged\. .*odd\/package\.json cannot be read: .*expected string, received number.* at cogniverse.*two.*\. Reinstall odd\./,
      );
    });

    it("the application's own: said as such", async () => {
      await mkdir(application, { recursive: true });
      await writeFile(path.join(application, 'package.json'), '{ "dependencies": [');
      expect(errorOf(() => inApplication().resolveName(null))).toMatch(
        /^No telemetry provider found\. Looked for "cogniverse"\."telemetry\.providers" in .*\/package\.json\. .*\/package\.json cannot be read: SyntaxError/,
      );
    });
  });

  it('looks past a package.json that only marks the kind of modules beside built code', async () => {
    await manifest(application, { name: 'app', dependencies: { a: '1' } });
    await manifest(path.join(application, 'dist'), { type: 'commonjs' });
    await install('a', { one: entry });
    expect(new ProviderRegistry({ applicationDirectory: path.join(application, 'dist', 'src') }).names()).toEqual([
      'one',
    ]);
  });

  it('looks at dependencies, optional, development and peer dependencies alike, and at no indirect one', async () => {
    await manifest(application, {
      dependencies: { a: '1' },
      optionalDependencies: { b: '1' },
      devDependencies: { c: '1' },
      peerDependencies: { d: '1' },
    });
    for (const name of ['a', 'b', 'c', 'd', 'indirect']) await install(name, { [`of-${name}`]: entry });
    expect(inApplication().names()).toEqual(['of-a', 'of-b', 'of-c', 'of-d']);
  });

  it('finds evaluation providers under their own key, of any shape', async () => {
    await manifest(application, { dependencies: { a: '1' } });
    await install('a', { one: entry });
    const file = path.join(application, 'node_modules/a/package.json');
    const content = JSON.parse(await readFile(file, 'utf8')) as { cogniverse: object };
    const evaluation = { 'evaluation.providers': { judge: './judge.js#Judge' } };
    await writeFile(file, JSON.stringify({ ...content, cogniverse: { ...content.cogniverse, ...evaluation } }));
    await writeFile(path.join(application, 'node_modules/a/judge.js'), 'export class Judge { score = () => 1; }');
    const registry = new ProviderRegistry<{ score(): number }>({
      applicationDirectory: application,
      kind: 'evaluation',
    });
    expect(registry.names()).toEqual(['judge']);
    expect((await registry.create('judge')).score()).toBe(1);
    await expect(registry.create('other')).rejects.toThrow(
      /^No evaluation provider named "other"\. There is: judge \(a\)\. Looked for "cogniverse"\."evaluation\.providers"/,
    );
    expect(inApplication().names()).toEqual(['one']);
  });

  it('loads a package once, however many ask at a time', async () => {
    await manifest(application, { dependencies: { a: '1' } });
    const source = `globalThis.cogniverseLoads = (globalThis.cogniverseLoads ?? 0) + 1;
      export class Provider { name = 'a'; initialize() {} configureSpanExport() {} sessionContext(_, fn) { return fn(); } async shutdown() {} }`;
    await install('a', { one: entry }, 'npm', source);
    const registry = inApplication();
    const made = await Promise.all([registry.create('one'), registry.create('one'), registry.create('one')]);
    expect(new Set(made).size).toBe(3);
    expect((globalThis as { cogniverseLoads?: number }).cogniverseLoads).toBe(1);
  });

  it('takes what is registered by hand, as a class or as a function', async () => {
    await manifest(application, {});
    const registry = new ProviderRegistry({ applicationDirectory: application });
    registry.register('function', () => new FakeProvider());
    registry.register('class', FakeProvider);
    for (const name of ['function', 'class']) expect(await registry.create(name)).toBeInstanceOf(FakeProvider);
    // Compiled to ES5, a class is a plain function.
    function Compiled(this: object): void {
      Object.assign(this, new FakeProvider());
    }
    Compiled.prototype = FakeProvider.prototype;
    registry.register('compiled', Compiled as unknown as new () => FakeProvider);
    expect(await registry.create('compiled')).toBeInstanceOf(FakeProvider);
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
  declare sessions: TelemetryProvider['sessions'];
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
