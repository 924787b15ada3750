/** `registerProject()`: settings of one project hold at once, over real connections, also where the project is live. */
import {
  createTelemetry,
  type ProjectRegistration,
  type ProviderConfig,
  ProviderRegistry,
  type Telemetry,
  TelemetryConfig,
} from '@cogniverse/foundation/telemetry';
import {
  type MemoryTarget,
  memoryTarget,
  type ScriptedBackend,
  startScriptedBackend,
} from '@cogniverse/foundation/telemetry/testing';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { asProvider, BareProvider } from './bare-provider.js';

let configured: ScriptedBackend;
let own: ScriptedBackend;
let telemetry: Telemetry;

beforeEach(async () => {
  configured = await startScriptedBackend();
  own = await startScriptedBackend();
  telemetry = start();
});
afterEach(async () => {
  await telemetry.shutdown(1000);
  expect(telemetry.audit()).toBeNull();
  await Promise.all([configured.close(), own.close()]);
});

function start(options: { maxCachedTenants?: number } = {}): Telemetry {
  return createTelemetry(
    new TelemetryConfig({
      otlpEndpoint: `${configured.httpEndpoint}/v1/traces`,
      otlpHeaders: { authorization: 'of the configuration' },
      flushOnExit: false,
      ...options,
    }),
    { environment: {}, logger: { warn: () => undefined } },
  );
}

const names = (backend: ScriptedBackend): string[] => backend.acceptedSpans.map(({ name }) => name);
const record = (name: string): void =>
  telemetry.span(name, { tenantId: 'acme', projectName: 'search' }, () => undefined);
const register = (settings: Partial<ProjectRegistration>): void =>
  telemetry.registerProject({ tenantId: 'acme', projectName: 'search', ...settings });
const atOwn = () => ({ otlpEndpoint: `${own.httpEndpoint}/v1/traces` });

it('gives a live project an endpoint of its own: what waits goes to where it was to go, what comes goes there', async () => {
  record('waiting');
  register(atOwn());
  record('after');
  telemetry.span('other project', { tenantId: 'acme' }, () => undefined);
  expect(await telemetry.forceFlush()).toBe(true);
  expect(names(configured).sort()).toEqual(['other project', 'waiting']);
  expect(names(own)).toEqual(['after']);
  register({}); // nothing of its own any more
  record('again');
  expect(await telemetry.forceFlush()).toBe(true);
  expect(names(configured)).toContain('again');
  expect(names(own)).toEqual(['after']);
  // No queue is left of where it went before.
  expect(telemetry.getStats().export.pipeline).toMatchObject({ projects: 2, destinations: 1 });
});

it('leaves what is in flight to its request', async () => {
  let answer!: () => void;
  configured.answerNext({ after: new Promise<void>((resolve) => (answer = resolve)) });
  record('in flight');
  const flushed = telemetry.forceFlush();
  await configured.waitForRequests(1);
  register(atOwn());
  record('after');
  await own.waitForRequests(1);
  expect(names(configured)).toEqual([]);
  answer();
  expect(await flushed).toBe(true);
  expect([names(configured), names(own)]).toEqual([['in flight'], ['after']]);
});

it('delivers what waited for an endpoint that is gone to nobody else, and the rest at once', async () => {
  configured.setScript(() => ({ fault: 'never' }));
  record('waiting');
  register(atOwn());
  record('after');
  await own.waitForRequests(1);
  await expect.poll(() => names(own)).toEqual(['after']);
  expect(await telemetry.tenant('acme').flush(50)).toBe(false); // it still waits for the first
  configured.dropConnections();
});

it("sends its own headers, changed ones at once, and never the configuration's", async () => {
  register({ ...atOwn(), otlpHeaders: { 'x-key': 'one' } });
  record('1');
  await telemetry.forceFlush();
  register({ ...atOwn(), otlpHeaders: { 'x-key': 'two' } });
  record('2');
  await telemetry.forceFlush();
  register(atOwn());
  record('3');
  await telemetry.forceFlush();
  expect(own.requests.map(({ headers }) => headers['x-key'])).toEqual(['one', 'two', undefined]);
  expect(own.requests.map(({ headers }) => headers.authorization)).toEqual([undefined, undefined, undefined]);
});

it('switches synchronous export on and off while the project is live', async () => {
  const call = (name: string) =>
    telemetry.span(name, { tenantId: 'acme', projectName: 'search' }, async () => undefined);
  await call('batched');
  expect(configured.requests).toHaveLength(0);
  register({ useSyncExport: true });
  await call('synchronous');
  // All that waits for the same destination goes along.
  expect(names(configured)).toEqual(['batched', 'synchronous']);
  register({ useSyncExport: false });
  await call('batched again');
  expect(configured.requests).toHaveLength(1);
  expect(await telemetry.forceFlush()).toBe(true);
  expect(names(configured)).toHaveLength(3);
});

it('holds for a span that was open when it was called, and for a project that was evicted and is back', async () => {
  await telemetry.shutdown(1000);
  telemetry = start({ maxCachedTenants: 1 });
  const evict = (): void => telemetry.span('other', { tenantId: 'globex' }, () => undefined);
  const open = ['open', 'open and evicted', 'open, evicted and back'].map((name) =>
    telemetry.startSpan(name, { tenantId: 'acme', projectName: 'search' }),
  );
  register(atOwn());
  open[0]!.end();
  evict();
  open[1]!.end();
  record('back');
  open[2]!.end();
  evict();
  register({}); // while it is not live
  const late = telemetry.startSpan('late', { tenantId: 'acme', projectName: 'search' });
  evict();
  register(atOwn());
  late.end();
  expect(await telemetry.forceFlush()).toBe(true);
  expect(names(own).sort()).toEqual(['back', 'late', 'open', 'open and evicted', 'open, evicted and back']);
  expect(new Set(names(configured))).toEqual(new Set(['other']));
});

it('keeps no destination for settings that were replaced', async () => {
  for (let round = 0; round < 50; round += 1) {
    register({ ...atOwn(), otlpHeaders: { 'x-key': `rotated ${round}` } });
    record(String(round));
  }
  expect(await telemetry.forceFlush()).toBe(true);
  expect(names(own)).toHaveLength(50);
  expect(telemetry.getStats().export.pipeline).toMatchObject({ projects: 1, destinations: 1 });
});

it('refuses what cannot work, and the settings before it hold', async () => {
  register(atOwn());
  for (const wrong of [
    { otlpEndpoint: 'ftp://x' },
    { otlpEndpoint: '' },
    { otlpEndpoint: own.httpEndpoint, otlpHeaders: { 'not a name': 'x' } },
    { useSyncExport: 'yes' as never },
    { unknown: true } as never,
  ]) {
    expect(() => register(wrong)).toThrow(expect.objectContaining({ code: 'configuration' }));
  }
  record('x');
  expect(await telemetry.forceFlush()).toBe(true);
  expect(names(own)).toEqual(['x']);
});

class ReadingProvider extends BareProvider {
  static readonly made: ReadingProvider[] = [];
  loaded: (() => void) | undefined;
  readonly target = memoryTarget();
  override initialize(config: ProviderConfig): Promise<void> {
    this.config = config;
    ReadingProvider.made.push(this);
    return new Promise((resolve) => {
      this.loaded = resolve;
    });
  }
  override configureSpanExport(): MemoryTarget {
    return this.target;
  }
}

it('changes where a live project is read from; of two changes that overlap the later one holds', async () => {
  const registry = new ProviderRegistry();
  registry.register('reading', () => asProvider(new ReadingProvider()));
  const reading = createTelemetry(
    { provider: 'reading', flushOnExit: false },
    { environment: {}, registry, logger: { warn: () => undefined } },
  );
  const span = (name: string): void => reading.span(name, { tenantId: 'acme', projectName: 'search' }, () => undefined);
  const change = (httpEndpoint: string): void =>
    reading.registerProject({ tenantId: 'acme', projectName: 'search', httpEndpoint });
  const made = async (count: number): Promise<ReadingProvider> => {
    await expect.poll(() => ReadingProvider.made.length).toBe(count);
    return ReadingProvider.made[count - 1]!;
  };
  span('first');
  const first = await made(1);
  first.loaded!();
  expect(await reading.forceFlush()).toBe(true);
  change('http://one');
  span('meanwhile'); // still goes on to where the project's spans went
  const second = await made(2);
  change('http://two');
  const third = await made(3);
  third.loaded!();
  const current = (await reading.getProvider('acme', 'search')) as unknown as ReadingProvider;
  expect(current.config?.httpEndpoint).toBe('http://two');
  span('after');
  second.loaded!(); // too late: its settings are not the project's any more
  span('last');
  expect(await reading.forceFlush()).toBe(true);
  const received = [first, second, third].map(({ target }) => target.spans.map((item) => item.span.name));
  expect(received).toEqual([['first', 'meanwhile'], [], ['after', 'last']]);
  await reading.shutdown();
  expect(ReadingProvider.made.map(({ closed }) => closed)).toEqual([1, 1, 1]);
  expect(reading.audit()).toBeNull();
});

it('changes where a project is read from also where no provider is configured, and the only one is taken', async () => {
  const registry = new ProviderRegistry({ applicationDirectory: '/' });
  registry.register('bare', () => asProvider(new BareProvider()));
  const reading = createTelemetry({ flushOnExit: false }, { environment: {}, registry });
  const readFrom = async (): Promise<string | undefined> => {
    const provider = (await reading.getProvider('acme', 'search')) as unknown as BareProvider;
    return provider.config?.httpEndpoint;
  };
  expect(await readFrom()).toBeUndefined();
  reading.registerProject({ tenantId: 'acme', projectName: 'search', httpEndpoint: 'http://one' });
  expect(await readFrom()).toBe('http://one');
  await reading.shutdown();
});

it('keeps a bounded number of the providers that it replaced', async () => {
  const providers: BareProvider[] = [];
  const registry = new ProviderRegistry();
  registry.register('bare', () => {
    providers.push(new BareProvider());
    return asProvider(providers.at(-1)!);
  });
  const reading = createTelemetry({ provider: 'bare', maxCachedTenants: 1 }, { environment: {}, registry });
  for (let round = 0; round < 300; round += 1) {
    reading.registerProject({ tenantId: 'acme', projectName: 'search', httpEndpoint: `http://host-${round}` });
    await reading.getProvider('acme', 'search');
  }
  expect(providers).toHaveLength(300);
  await expect.poll(() => providers.filter(({ closed }) => closed === 0).length).toBeLessThanOrEqual(100);
  expect(providers.at(-1)!.closed).toBe(0);
  await reading.shutdown();
  expect(providers.every(({ closed }) => closed === 1)).toBe(true);
});
