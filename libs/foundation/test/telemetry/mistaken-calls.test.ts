/** What a caller without types gets wrong is told where it is set up, by what it is called, with the value and what to do. */
import { ConfigManager, FileConfigStore } from '@cogniverse/foundation/config';
import {
  addEmbeddingDetailsToSpan,
  addSearchResultsToSpan,
  createTelemetry,
  expressTelemetry,
  fastifyTelemetry,
  honoTelemetry,
  MissingTenantError,
  ProviderRegistry,
  searchSpan,
} from '@cogniverse/foundation/telemetry';
import { createTestTelemetry, describeTelemetryProvider } from '@cogniverse/foundation/telemetry/testing';
import { describe, expect, it } from 'vitest';

const t = createTestTelemetry();
const telemetry = t.telemetry as never as Record<string, (...args: unknown[]) => unknown>;
const acme = { tenantId: 'acme' };
const registry = new ProviderRegistry() as never as { register: (...args: unknown[]) => void };
const configs = new ConfigManager(new FileConfigStore({ path: '/nowhere/config.json' })) as never as Record<
  string,
  (...args: unknown[]) => unknown
>;
const noManager = (middleware: unknown) => () =>
  (middleware as (...args: unknown[]) => unknown)({}, { tenant: () => 'acme' });

describe('a mistaken call', () => {
  it.each<[mistake: string, call: () => unknown, message: string]>([
    [
      'an option of a manager that does not exist',
      () => createTelemetry({}, { asGlobl: true } as never),
      'Unknown option asGlobl of TelemetryManager. Correct its name, or remove it.',
    ],
    ['no options', () => createTelemetry({}, null as never), 'TelemetryManager takes an object of options, not null.'],
    [
      'a logger that is none',
      () => createTelemetry({}, { logger: 'console' } as never),
      'TelemetryManager: logger = "console": give an object with warn().',
    ],
    [
      'a registry that is none',
      () => createTelemetry({}, { registry: {} } as never),
      'TelemetryManager: registry = {}: give an object with resolveName().',
    ],
    [
      'an endpoint without a port',
      () => createTelemetry({ otlpEndpoint: 'localhost' }, { environment: {} }),
      'otlpEndpoint = "localhost": give host:port, or a URL with http:// or https://.',
    ],
    [
      'a URL with a typing error',
      () => createTelemetry({ otlpEndpoint: 'http//localhost' }, { environment: {} }),
      'otlpEndpoint = "http//localhost": give host:port, or a URL with http:// or https://.',
    ],
    [
      'a number that is none',
      () => createTelemetry({ maxCachedTenants: Number.NaN }, { environment: {} }),
      'maxCachedTenants = NaN: Invalid input: expected number, received NaN.',
    ],
    [
      'an option of a handle that does not exist',
      () => telemetry['tenant']!('acme', { project: 'billing' }),
      'Unknown option project of tenant(). Correct its name, or remove it.',
    ],
    [
      'a project without a name',
      () => telemetry['registerProject']!(acme),
      'registerProject() needs projectName: the suffix ("search") or the full name of a project of the tenant.',
    ],
    [
      'an address of a backend that is no URL',
      () => telemetry['registerProject']!({ ...acme, projectName: 'search', httpEndpoint: 'nope' }),
      'registerProject(): httpEndpoint = "nope": give a URL such as http://localhost:6006.',
    ],
    [
      'a provider without a factory',
      () => registry.register('mine'),
      'register() needs a name and a class, or a function that gives a provider; not ("mine", undefined).',
    ],
    [
      'an option of a registry that does not exist',
      () => new ProviderRegistry({ applicationDir: '.' } as never),
      'Unknown option applicationDir of ProviderRegistry. Correct its name, or remove it.',
    ],
    [
      'a kind of registry that does not exist',
      () => new ProviderRegistry({ kind: 'traces' } as never),
      "ProviderRegistry: kind = \"traces\": give 'telemetry' or 'evaluation'.",
    ],
    [
      'a middleware for Express without its manager',
      noManager(expressTelemetry),
      'expressTelemetry() needs the manager first: expressTelemetry(telemetry, { tenant: ... }).',
    ],
    [
      'a middleware for Fastify without its manager',
      noManager(fastifyTelemetry),
      'fastifyTelemetry() needs the manager first: fastifyTelemetry(telemetry, { tenant: ... }).',
    ],
    [
      'a middleware for Hono without its manager',
      noManager(honoTelemetry),
      'honoTelemetry() needs the manager first: honoTelemetry(telemetry, { tenant: ... }).',
    ],
    [
      'an expected version under another name',
      () => configs['setTelemetryConfig']!('acme', {}, { expectVersion: 1 }),
      'Unknown option expectVersion of setTelemetryConfig(). Correct its name, or remove it.',
    ],
    [
      'an expected version of any configuration under another name',
      () => configs['setConfig']!('acme', 'agent', 'routing', {}, { version: 1 }),
      'Unknown option version of setConfig(). Correct its name, or remove it.',
    ],
    [
      'an update without a function',
      () => configs['updateConfig']!('acme', 'agent', 'routing', { model: 'small' }),
      'updateConfig() needs a function of the current value.',
    ],
    [
      'a source of configuration that is none',
      () => telemetry['followConfiguration']!({}),
      'followConfiguration() takes a ConfigManager of @cogniverse/foundation/config.',
    ],
    [
      'a contract without a test runner',
      () => (describeTelemetryProvider as (...args: unknown[]) => void)('mine', { start: () => undefined }),
      'describeTelemetryProvider() takes a name, { start }, and { describe, it } of the test runner.',
    ],
  ])('is told: %s', async (_mistake, call, message) => {
    await expect((async () => call())()).rejects.toMatchObject({ name: 'ConfigurationError', message });
  });

  it.each<[string, unknown[]]>([
    ['span', ['search', acme]],
    ['sessionSpan', ['search', { ...acme, sessionId: 's-1' }]],
    ['session', [{ ...acme, sessionId: 's-1' }]],
    ['withTenant', ['acme']],
    ['withSpan', [undefined]],
    ['extract', [{}]],
  ])('is told: %s() without a function to run', (method, args) => {
    const without = () => telemetry[method]!(...args);
    expect(without).toThrow(TypeError);
    expect(without).toThrow(`${method}() needs the function to run as its last argument, not undefined.`);
  });

  it('records nothing and counts nothing', () => {
    expect(t.spans).toEqual([]);
    expect(t.audit()).toBeNull();
  });
});

describe('a request by hand', () => {
  const unreadable = new Proxy({} as never, {
    get() {
      throw new Error('unreadable');
    },
  });

  it.each([undefined, null, 5, unreadable])('is served whatever its options are', (options) => {
    const inbound = t.telemetry.startRequest(options as never);
    void inbound.enter(() => 'acme');
    expect(inbound.run(() => 'served')).toBe('served');
    inbound.end(undefined as never);
    expect(t.findSpans('HTTP').length).toBeGreaterThan(0);
    t.reset();
  });

  it('ends also where what was thrown cannot be read', () => {
    const inbound = t.telemetry.startRequest({ method: 'GET', headers: {} });
    void inbound.enter(() => 'acme');
    inbound.fail(
      new Proxy(new Error('no'), {
        getPrototypeOf: () => {
          throw new Error('no');
        },
      }),
    );
    inbound.end({ statusCode: 500 });
    expect(t.findSpan('GET')).toMatchObject({ statusCode: 'ERROR', attributes: { 'error.type': '500' } });
    t.reset();
  });
});

it('findSpan() of anything but a name or a function says what it takes', () => {
  expect(() => t.findSpans(/search/ as never)).toThrow(/take the name of a span, or a function of a span/);
});

it('details for no span, as trace.getActiveSpan() may give none, cost nothing', () => {
  expect(() => addSearchResultsToSpan(undefined, [{ score: 1 }])).not.toThrow();
  expect(() => addEmbeddingDetailsToSpan(undefined, [1, 2])).not.toThrow();
});

it('a search span without a tenant names what is missing, and is a span like that of span()', () => {
  expect(() => searchSpan({ query: 'peace', telemetry: t.telemetry }, () => 1)).toThrow(MissingTenantError);
  searchSpan({ query: 'peace', tenantId: 'acme', telemetry: t.telemetry }, (span) => {
    using inner = span;
    inner.setAttribute('num_results', 0);
  });
  expect(t.findSpan('search_service.search').attributes['num_results']).toBe(0);
});

it('a predicate of trust that throws is logged as that: the spans are recorded', () => {
  const own = createTestTelemetry();
  const trust = () => {
    throw new Error('no answer');
  };
  const headers = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' };
  own.telemetry.extract(headers, { trust }, () => own.telemetry.span('work', acme, () => undefined));
  expect(own.findSpan('work').parentSpanId).toBeUndefined();
  expect(own.warnings).toEqual([
    '[cogniverse telemetry] The predicate for remote traces threw (no answer); the trace is not continued.',
  ]);
});
