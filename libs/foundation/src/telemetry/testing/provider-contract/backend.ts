/**
 * The backend that the cases share, and what a case gets of it: tenants of its own, and the way in for spans.   Testing.
 *
 * It starts with the first case that needs it and stops when none has needed it for a moment, so that it needs no hook of a test runner.
 */
import assert from 'node:assert/strict';
import { type AnyValue, encodeTraces, type OtlpSpan, type OtlpTraces } from '../../../otlp/index.js';
import type { TelemetryConfigOptions } from '../../config.js';
import type { SpanSender } from '../../export/export-target.js';
import { otlpTarget } from '../../export/otlp-target.js';
import { createTelemetry, type Telemetry } from '../../manager.js';
import type { TelemetryProvider, TelemetryProviderFactory } from '../../providers/provider.js';
import type { SpanRecord } from '../../providers/records.js';
import { ProviderRegistry } from '../../registry.js';
import { hexId } from './contract-spans.js';

/** A backend to try a provider on. It may hold other data: every case has tenants of its own. */
export interface ProviderBackend {
  /** What the provider's `package.json` names: the class, or a function that makes one. */
  readonly factory: TelemetryProviderFactory;
  /** `provider_config` for this backend. */
  readonly options?: Readonly<Record<string, unknown>> | undefined;
  /** Other configuration that the provider is used with: `otlpEndpoint` for one that leaves the write end to OTLP, for instance. */
  readonly telemetry?: TelemetryConfigOptions | undefined;
  /** The time within which spans that were acknowledged are read back, in milliseconds. Default 0: at once. */
  readonly visibleWithinMillis?: number | undefined;
  /** Called once, after every provider was shut down. */
  stop(): Promise<void>;
}

export type Stores = Pick<
  TelemetryProvider,
  'traces' | 'annotations' | 'datasets' | 'experiments' | 'analytics' | 'sessions'
>;

export interface ContractTenant extends Stores {
  readonly tenantId: string;
  /** Full name of the provider's own project. */
  readonly projectName: string;
  readonly provider: TelemetryProvider;
  /** Brings spans in as the pipeline does, and waits until they can be read. */
  send(...spans: OtlpSpan[]): Promise<void>;
}

export type Through = 'provider' | 'manager';

/** Long enough for the step from one case to the next, short enough not to hold up the end of a run. */
const IDLE_MILLIS = 500;
const POLL_MILLIS = 50;

/** One started backend with its providers and senders. */
export class ContractBackend {
  readonly #backend: ProviderBackend;
  readonly #through: Through;
  readonly #providers: TelemetryProvider[] = [];
  readonly #senders = new Map<string, SpanSender>();
  readonly #managers: Telemetry[] = [];
  #readingManager: Telemetry | undefined;

  constructor(backend: ProviderBackend, through: Through) {
    this.#backend = backend;
    this.#through = through;
  }

  /**
   * A tenant with a provider. `project` is the suffix; `projectName` a full name, which several tenants may share where the provider is
   * used without a manager (with one, names are the manager's).
   */
  async tenant(
    given: { tenantId?: string; project?: string; projectName?: string | undefined } = {},
  ): Promise<ContractTenant> {
    const tenantId = given.tenantId ?? `tenant-${hexId(8)}`;
    const project = given.project ?? 'search';
    const isManaged = this.#through === 'manager';
    const projectName =
      (isManaged ? undefined : given.projectName) ?? `cogniverse-${tenantId}-${given.projectName ?? project}`;
    const provider = isManaged
      ? await this.#manager().getProvider(tenantId, projectName)
      : await this.provider(tenantId, projectName);
    // Bound once, as an application does it.
    const { traces, annotations, datasets, experiments, analytics, sessions } = provider;
    return {
      tenantId,
      projectName,
      provider,
      traces,
      annotations,
      datasets,
      experiments,
      analytics,
      sessions,
      send: (...spans) => this.#send(provider, { tenantId, projectName }, spans),
    };
  }

  get options(): Readonly<Record<string, unknown>> {
    return this.#backend.options ?? {};
  }

  /** A provider that is not initialized. */
  newProvider(): Promise<TelemetryProvider> {
    return this.#registry().create('contract');
  }

  /** An initialized provider, without a manager. */
  async provider(tenantId: string, projectName: string): Promise<TelemetryProvider> {
    const provider = await this.newProvider();
    this.#providers.push(provider);
    const { otlpEndpoint } = this.#backend.telemetry ?? {};
    await provider.initialize({ tenantId, projectName, otlpEndpoint, options: this.options });
    return provider;
  }

  /** A manager that records and reads with this provider. */
  manager(): Telemetry {
    const telemetry = createTelemetry(
      {
        maxCachedTenants: 10_000,
        ...this.#backend.telemetry,
        provider: 'contract',
        providerConfig: { ...this.options },
      },
      { registry: this.#registry(), environment: {} },
    );
    this.#managers.push(telemetry);
    return telemetry;
  }

  #manager(): Telemetry {
    this.#readingManager ??= this.manager();
    return this.#readingManager;
  }

  #registry(): ProviderRegistry {
    const registry = new ProviderRegistry();
    registry.register('contract', this.#backend.factory);
    return registry;
  }

  async #send(
    provider: TelemetryProvider,
    owner: { tenantId: string; projectName: string },
    spans: readonly OtlpSpan[],
  ): Promise<void> {
    const { otlpEndpoint: endpoint, otlpProtocol: protocol } = this.#backend.telemetry ?? {};
    const target =
      provider.configureSpanExport({ ...owner, endpoint }) ??
      otlpTarget({
        endpoint: endpoint ?? assert.fail('The provider has no export target, and the backend names no otlpEndpoint.'),
        protocol,
        resourceAttributes: new Map([['openinference.project.name', owner.projectName]]),
      });
    let sender = this.#senders.get(target.key);
    if (sender === undefined) {
      sender = target.createSender();
      this.#senders.set(target.key, sender);
    }
    const body = encodeTraces(requestOf(spans, owner.tenantId, target.resourceAttributes));
    const result = await sender.send(body, { timeoutMillis: 20_000, spanCount: spans.length });
    assert.deepEqual(result, { status: 'sent', rejectedSpans: 0, message: '' }, 'the backend takes all spans');
    await this.waitForSpans(
      provider,
      owner.projectName,
      spans.map((span) => span.spanId),
    );
  }

  /** Until the spans can be read, where the backend says that it takes its time. */
  async waitForSpans(provider: TelemetryProvider, project: string, spanIds: readonly string[]): Promise<SpanRecord[]> {
    const { visibleWithinMillis = 0 } = this.#backend;
    if (visibleWithinMillis === 0) return [];
    const deadline = Date.now() + visibleWithinMillis;
    for (;;) {
      const found = new Map<string, SpanRecord>();
      for await (const span of provider.traces.iterateSpans({ project })) found.set(span.spanId, span);
      const missing = spanIds.filter((spanId) => !found.has(spanId));
      if (missing.length === 0) return spanIds.map((spanId) => found.get(spanId)!);
      assert.ok(
        Date.now() < deadline,
        `${missing.length} of ${spanIds.length} spans cannot be read ${visibleWithinMillis} ms after they were acknowledged`,
      );
      await new Promise((resolve) => setTimeout(resolve, POLL_MILLIS));
    }
  }

  async stop(): Promise<void> {
    const closing = [
      ...Array.from(this.#senders.values(), (sender) => () => sender.close()),
      ...this.#managers.map((telemetry) => async () => void (await telemetry.shutdown())),
      ...this.#providers.map((provider) => () => provider.shutdown()),
      () => this.#backend.stop(),
    ];
    const errors: unknown[] = [];
    for (const close of closing) await close().catch((error: unknown) => errors.push(error));
    if (errors.length > 0) throw new AggregateError(errors, 'The backend did not stop cleanly.');
  }
}

function requestOf(
  spans: readonly OtlpSpan[],
  tenantId: string,
  resourceAttributes: ReadonlyMap<string, AnyValue>,
): OtlpTraces {
  return {
    resourceSpans: [
      {
        resource: {
          attributes: new Map<string, AnyValue>([['service.name', 'contract'], ...resourceAttributes]),
          droppedAttributesCount: 0,
        },
        schemaUrl: '',
        scopeSpans: [
          {
            scope: { name: 'contract', version: '1', attributes: new Map(), droppedAttributesCount: 0 },
            schemaUrl: '',
            spans: spans.map((span) => ({
              ...span,
              attributes: new Map([['tenant.id', tenantId], ...span.attributes]),
            })),
          },
        ],
      },
    ],
  };
}

/** Lends the backend to one case after the other, or to several at once. */
export class SharedBackend {
  readonly #start: () => Promise<ContractBackend>;
  #running: Promise<ContractBackend> | undefined;
  #users = 0;
  #idle: NodeJS.Timeout | undefined;

  constructor(start: () => Promise<ContractBackend>) {
    this.#start = start;
  }

  async use(run: (backend: ContractBackend) => Promise<void>): Promise<void> {
    clearTimeout(this.#idle);
    this.#users += 1;
    try {
      // One that could not start is not tried again: each case that needs it tells why.
      this.#running ??= this.#start();
      await run(await this.#running);
    } finally {
      this.#users -= 1;
      // A backend that does not stop is an unhandled rejection, which every runner reports.
      if (this.#users === 0) this.#idle = setTimeout(() => void this.stop(), IDLE_MILLIS);
    }
  }

  /** Nothing where it is stopped already, or in use. The next case starts it anew. */
  async stop(): Promise<void> {
    if (this.#users > 0) return;
    clearTimeout(this.#idle);
    const running = this.#running;
    this.#running = undefined;
    const backend = await running?.catch(() => undefined); // it never started: the cases have told why
    await backend?.stop();
  }
}
