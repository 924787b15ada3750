/**
 * A manager whose spans a test can look at, without a network.   Testing: code under test -> manager -> [test-telemetry] -> test.
 *
 * Spans are seen where they are handed over for export, in the turn in which they end, and are read from the bytes that would travel.
 * Nothing comes from `process.env`, nothing is shared with other managers. Errors are `AssertionError`s, which every test runner shows.
 */
import { AssertionError } from 'node:assert';
import { fileURLToPath } from 'node:url';
import type { TelemetryConfigOptions } from '../config.js';
import { ConfigurationError, ProviderNotFoundError } from '../errors.js';
import { Telemetry, type TelemetryManagerOptions } from '../manager.js';
import { standInAsProcessManager } from '../process-manager.js';
import type { SpanRecord } from '../providers/records.js';
import { ProviderRegistry } from '../registry.js';
import type { Span } from '../span.js';
import { CountingIds } from './counting-ids.js';
import { ManualClock } from './manual-clock.js';
import { memoryTarget } from './memory-target.js';
import { keyOf, type SpanNode, spanTree, treeText } from './span-tree.js';
import { readWrittenSpan } from './written-span.js';

export interface TestTelemetryOptions extends TelemetryManagerOptions {
  /** Default: everything is recorded (`level: 'verbose'`), nothing is done at the process's exit. */
  readonly config?: TelemetryConfigOptions | undefined;
  /** Ids count from 1, and time stands at 2026-01-01T00:00:00Z until `clock` is moved. */
  readonly deterministic?: boolean | undefined;
  /** `getTelemetryManager()` and `new TelemetryManager()` give this one, until `shutdown()`. */
  readonly asProcessManager?: boolean | undefined;
}

/** Which spans: by name, or those of which the function says true. */
export type SpanSelection = string | ((span: SpanRecord) => boolean);

/** No provider of the application is taken by itself: it would ask a backend over the network. */
class NoProviders extends ProviderRegistry {
  override resolveName(): never {
    throw new ProviderNotFoundError(
      'A test telemetry has its spans in memory and no provider to read or score them with. Look at them with findSpan(), or name a provider: createTestTelemetry({ config: { provider: ... } }).',
    );
  }
}

interface StartedSpan {
  readonly span: Span;
  /** Of its start; formatted only when it is asked for. */
  readonly at: { readonly stack?: string };
}

/** Started spans among which those that have ended are looked for now and then. */
const MIN_STARTED_KEPT = 1000;
/** By which a reset moves the clock of a deterministic one: more than a span clock takes for drift. */
const RESET_MILLIS = 1000;
const EPOCH_MILLIS = Date.UTC(2026, 0, 1);

export class TestTelemetry {
  /** What the code under test is given. */
  readonly telemetry: Telemetry;
  /** Lines that the manager logged, but for those of a `logger` of the test's own. */
  readonly warnings: string[] = [];
  readonly #clock: ManualClock | undefined;
  readonly #ids: CountingIds | undefined;
  readonly #target = memoryTarget({ key: 'test' });
  readonly #stepDown: (() => void) | undefined;
  #spans: SpanRecord[] = [];
  #open: StartedSpan[] = [];
  #openLimit = MIN_STARTED_KEPT;
  /** Position in the order of starting, by trace id and span id, of every span since the last reset. */
  #order = new Map<string, number>();

  /** Errors: `ConfigurationError`. */
  constructor(options: TestTelemetryOptions = {}) {
    const { config, deterministic = false, asProcessManager = false, ...managerOptions } = options;
    if (deterministic) {
      this.#clock = new ManualClock({ startWallMillis: EPOCH_MILLIS });
      this.#ids = new CountingIds();
    } else if (options.clock instanceof ManualClock) this.#clock = options.clock;
    this.telemetry = new Telemetry(
      { level: 'verbose', flushOnExit: false, ...config },
      {
        ...managerOptions,
        environment: managerOptions.environment ?? {},
        registry: managerOptions.registry ?? (namesProvider(config, managerOptions) ? undefined : new NoProviders()),
        logger: managerOptions.logger ?? { warn: (message) => this.warnings.push(message) },
        exportTarget: managerOptions.exportTarget ?? (() => this.#target),
        clock: managerOptions.clock ?? this.#clock,
        idGenerator: managerOptions.idGenerator ?? this.#ids,
        observer: {
          started: (span) => this.#started(span),
          written: (project, scope, bytes) => {
            const span = readWrittenSpan(project, scope, bytes);
            if (this.#order.has(keyOf(span.traceId, span.spanId))) this.#spans.push(span);
          },
        },
      },
    );
    if (asProcessManager) this.#stepDown = standInAsProcessManager(this.telemetry);
  }

  /** Time of a deterministic one, or the `ManualClock` it was given: moved by `await clock.advance(millis)` or, at once, `clock.tick(millis)`. */
  get clock(): ManualClock {
    if (this.#clock === undefined) {
      throw new ConfigurationError(
        "This one runs on the system's clock. For one to be moved by hand: createTestTelemetry({ deterministic: true }).",
      );
    }
    return this.#clock;
  }

  #started(span: Span): void {
    const { traceId, spanId } = span.spanContext();
    this.#order.set(keyOf(traceId, spanId), this.#order.size);
    if (this.#open.length >= this.#openLimit) {
      this.#open = this.#open.filter((started) => !started.span.ended);
      this.#openLimit = Math.max(MIN_STARTED_KEPT, this.#open.length * 2);
    }
    const at = {};
    Error.captureStackTrace(at);
    this.#open.push({ span, at });
  }

  /** Spans that have ended, in the order of ending, as reading back from a backend would give them. */
  get spans(): readonly SpanRecord[] {
    return this.#spans;
  }

  /** Those that have ended, in the order of ending. */
  findSpans(which: SpanSelection): SpanRecord[] {
    if (typeof which !== 'string' && typeof which !== 'function') {
      throw new TypeError(
        'findSpan() and findSpans() take the name of a span, or a function of a span that gives true or false.',
      );
    }
    return this.#spans.filter(typeof which === 'string' ? (span) => span.name === which : which);
  }

  /** The one that has ended. Errors: `AssertionError` if there is none, or more than one; it says which there are. */
  findSpan(which: SpanSelection): SpanRecord {
    const found = this.findSpans(which);
    if (found.length === 1) return found[0]!;
    const wanted = typeof which === 'string' ? `named ${JSON.stringify(which)}` : 'that the function takes';
    const message =
      found.length === 0
        ? `No span ${wanted} has ended. ${this.#whatThereIs()}`
        : `${found.length} spans ${wanted} have ended, of ${listed(found.map(place))}. Take findSpans(), or a function that tells them apart.`;
    throw new AssertionError({
      message,
      expected: 1,
      actual: found.length,
      operator: 'findSpan',
      stackStartFn: this.findSpan,
    });
  }

  #whatThereIs(): string {
    const ended = this.#spans.map(({ name }) => JSON.stringify(name));
    const open = this.#stillOpen().map(({ span }) => JSON.stringify(span.name));
    const ends = ended.length === 0 ? 'None has.' : `Ended: ${listed(ended)}.`;
    return open.length === 0 ? ends : `${ends} Still open: ${listed(open)}.`;
  }

  /**
   * What called what: the roots of one trace, or of all, in the order of starting, each with its `children`. A span whose parent has not
   * ended, or is not of this process, counts as a root. Errors: `AssertionError` for a trace of which no span has ended.
   */
  tree(traceId?: string): SpanNode[] {
    const spans = traceId === undefined ? this.#spans : this.#spans.filter((span) => span.traceId === traceId);
    if (traceId !== undefined && spans.length === 0) {
      const known = new Set(this.#spans.map((span) => span.traceId));
      const message = `No span of trace ${traceId} has ended. Traces: ${listed([...known]) || 'none'}.`;
      throw new AssertionError({ message, stackStartFn: this.tree });
    }
    const started = ({ traceId: trace, spanId }: SpanRecord): number => this.#order.get(keyOf(trace, spanId))!;
    return spanTree(spans, (a, b) => started(a) - started(b));
  }

  /** `tree()` to read, and to compare: one line a span, with the tenant of each root and the message of each failure; neither ids nor times. */
  treeText(traceId?: string): string {
    const open = new Set(this.#stillOpen().map(({ span }) => span.spanContext().spanId));
    return treeText(this.tree(traceId), ({ parentSpanId }) =>
      parentSpanId === undefined ? '' : open.has(parentSpanId) ? ' (parent still open)' : ' (parent elsewhere)',
    );
  }

  #stillOpen(): StartedSpan[] {
    return this.#open.filter(({ span }) => !span.ended);
  }

  /** Errors: `AssertionError` that names each span that was started and has not ended, its tenant, and the line that started it. */
  expectNoOpenSpans(): void {
    const open = this.#stillOpen();
    if (open.length === 0) return;
    const names = open.map(({ span, at }) => {
      const tenant = span.project === undefined ? 'no tenant' : `tenant ${span.project.tenantId}`;
      return `  ${JSON.stringify(span.name)} of ${tenant}, started at ${callerIn(at.stack ?? '')}`;
    });
    const message = `${open.length} ${open.length === 1 ? 'span is' : 'spans are'} still open:\n${names.join('\n')}`;
    throw new AssertionError({
      message,
      expected: 0,
      actual: open.length,
      operator: 'expectNoOpenSpans',
      stackStartFn: this.expectNoOpenSpans,
    });
  }

  /** The first equation between the fates of spans that does not hold, in words, or null. */
  audit(): string | null {
    return this.telemetry.audit();
  }

  /**
   * Forgets what was seen, spans that are still open included: between two tests that share one. A deterministic one begins again with its
   * first time and, unless a span is open, with its first ids.
   */
  reset(): void {
    const anyOpen = this.#stillOpen().length > 0;
    this.#spans = [];
    this.#open = [];
    this.#order = new Map();
    this.warnings.length = 0;
    this.#target.clear();
    if (this.#ids === undefined) return;
    if (!anyOpen) this.#ids.restart();
    this.clock.tick(RESET_MILLIS);
    this.clock.wallOffset = EPOCH_MILLIS - this.clock.monotonicMillis();
  }

  /** The process's manager is what it was before; the telemetry is shut down. What was seen stays. */
  async shutdown(): Promise<void> {
    this.#stepDown?.();
    await this.telemetry.shutdown();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.shutdown();
  }

  /** As `shutdown()`; nothing is waited for. */
  [Symbol.dispose](): void {
    void this.shutdown();
  }
}

/** Telemetry for a test: no network, spans to look at as soon as they have ended. Errors: `ConfigurationError`. */
export function createTestTelemetry(options?: TestTelemetryOptions): TestTelemetry {
  return new TestTelemetry(options);
}

function place({ tenantId, project }: SpanRecord): string {
  return `tenant ${tenantId} in ${project}`;
}

/** Each once, with how often. */
function listed(values: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].map(([value, count]) => (count === 1 ? value : `${value} (${count} times)`)).join(', ');
}

/** This package's own files: built, and as source maps name them; as paths, and as the URLs that stacks of ES modules have. */
const OWN = ['dist', 'src'].flatMap((folder) => {
  const url = new URL(`../../../${folder}/`, import.meta.url);
  return [fileURLToPath(url), url.href];
});

/** The first line of a stack that is neither of this package, nor of OpenTelemetry, nor of Node. */
function callerIn(stack: string): string {
  const frames = stack.split('\n').slice(1);
  const caller = frames.find((frame) => {
    return !/\(?node:|<anonymous>|@opentelemetry[\\/]/.test(frame) && !OWN.some((folder) => frame.includes(folder));
  });
  return (caller ?? frames.at(-1) ?? 'an unknown place').trim().replace(/^at /, '');
}

function namesProvider(config: TelemetryConfigOptions | undefined, options: TelemetryManagerOptions): boolean {
  return config?.provider !== undefined || options.environment?.['TELEMETRY_PROVIDER'] !== undefined;
}
