/** Ends of the write path that do not work: no recording call meets them, and no other project waits for them. */
import {
  createTelemetry,
  type ExportTarget,
  type ProviderConfig,
  ProviderRegistry,
  type Telemetry,
  type TelemetryConfigOptions,
  type TelemetryManagerOptions,
} from '@cogniverse/foundation/telemetry';
import { memoryTarget, SENT, startScriptedBackend } from '@cogniverse/foundation/telemetry/testing';
import { expect, it, onTestFinished } from 'vitest';
import { asProvider, BareProvider } from './bare-provider.js';

function started(
  config: TelemetryConfigOptions,
  options: TelemetryManagerOptions,
): { telemetry: Telemetry; warnings: string[] } {
  const warnings: string[] = [];
  const telemetry = createTelemetry(
    { flushOnExit: false, ...config },
    { environment: {}, logger: { warn: (line) => warnings.push(line) }, ...options },
  );
  onTestFinished(async () => {
    await telemetry.shutdown(100);
    expect(telemetry.audit()).toBeNull();
  });
  return { telemetry, warnings };
}

/** Offers `provider` as the only one. */
function offering(provider: () => BareProvider): ProviderRegistry {
  const registry = new ProviderRegistry();
  registry.register('given', () => asProvider(provider()));
  return registry;
}

it("a target of the host's own that cannot be made reaches no recording call, and is said once", async () => {
  const target = memoryTarget();
  const { telemetry, warnings } = started(
    {},
    {
      exportTarget: ({ tenantId }) => {
        if (tenantId === 'acme') throw new Error('no room');
        return target;
      },
    },
  );
  const ran: string[] = [];
  const call = (name: string) => (): void => void ran.push(name);
  telemetry.withTenant('acme', call('withTenant'));
  telemetry.span('span', { tenantId: 'acme' }, call('span'));
  telemetry.getTracer('acme')!.startActiveSpan('library', (span) => {
    call('library')();
    span.end();
  });
  telemetry.span('other', { tenantId: 'globex' }, call('other'));
  expect(ran).toEqual(['withTenant', 'span', 'library', 'other']);
  expect(await telemetry.tenant('globex').flush()).toBe(true);
  expect(target.spans.map(({ span }) => span.name)).toEqual(['other']);
  expect(await telemetry.tenant('acme').flush()).toBe(false);
  expect(warnings).toEqual([expect.stringContaining('Spans cannot be exported: no room.')]);
});

it.each([
  ['is none', {}],
  ['lacks its resource', { key: 'k', createSender: () => undefined }],
  ['is null', null],
])('spans go to the configured endpoint where the target of a provider %s', async (_what, given) => {
  const backend = await startScriptedBackend();
  onTestFinished(() => backend.close());
  class Careless extends BareProvider {
    override configureSpanExport(): ExportTarget {
      return given as never;
    }
  }
  const { telemetry, warnings } = started(
    { provider: 'given', otlpEndpoint: `${backend.httpEndpoint}/v1/traces` },
    { registry: offering(() => new Careless()) },
  );
  telemetry.span('x', { tenantId: 'acme' }, () => undefined);
  expect(await telemetry.forceFlush()).toBe(true);
  expect(backend.acceptedSpans.map(({ name }) => name)).toEqual(['x']);
  expect(warnings).toEqual([expect.stringContaining('"given" takes no spans')]);
  expect(telemetry.getStats().failedInitializations).toBe(1);
});

it('a resource that cannot be encoded costs its own project only, and no unhandled rejection', async () => {
  const resourceAttributes = new Map([['k', Symbol('no value')]]);
  class Careless extends BareProvider {
    override configureSpanExport(): ExportTarget {
      return { ...memoryTarget(), key: 'k', resourceAttributes } as never;
    }
  }
  const { telemetry, warnings } = started({ provider: 'given' }, { registry: offering(() => new Careless()) });
  telemetry.span('x', { tenantId: 'acme' }, () => undefined);
  expect(await telemetry.forceFlush(1000)).toBe(false);
  expect(warnings).toEqual([expect.stringContaining('Spans cannot be exported')]);
});

it('a provider that never loads for one tenant leaves the others their share of the shutdown', async () => {
  const slowBackend = () => new Promise<typeof SENT>((resolve) => setTimeout(resolve, 30, SENT));
  const target = memoryTarget({ respond: slowBackend });
  class Slow extends BareProvider {
    override async initialize({ tenantId }: ProviderConfig): Promise<void> {
      if (tenantId === 'slow') await new Promise(() => undefined);
    }
    override configureSpanExport(): ExportTarget {
      return target;
    }
  }
  const { telemetry } = started(
    { provider: 'given', batchConfig: { scheduleDelayMillis: 60_000 } },
    { registry: offering(() => new Slow()) },
  );
  telemetry.span('fast', { tenantId: 'fast' }, () => undefined);
  expect(await telemetry.tenant('fast').flush()).toBe(true);
  telemetry.span('slow', { tenantId: 'slow' }, () => undefined);
  telemetry.span('fast again', { tenantId: 'fast' }, () => undefined);
  await telemetry.shutdown(400);
  expect(target.spans.map(({ span }) => span.name)).toEqual(['fast', 'fast again']);
  expect(telemetry.getStats().export.total.dropped).toEqual({ shutdown_timeout: 1 });
});
