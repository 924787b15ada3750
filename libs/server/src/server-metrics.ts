/**
 * `/metrics`: what the server and its store have to say, as Prometheus text.   Read path: [server-metrics] <- ledger, gate, store, process.
 *
 * Source: Prometheus text exposition format 0.0.4. Every label's values come from a bounded list.
 */
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import type { TelemetryStore } from '@cogniverse/foundation/telemetry';
import type { IngestGate } from './receivers/ingest-gate.js';
import type { ServerLedger } from './server-ledger.js';
import type { ServerLogger } from './server-log.js';
import { describeStoreFigure } from './store-figures.js';

export interface MetricDescription {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly unit: string;
  readonly labels: readonly string[];
  /** Plain text; the help on `/metrics` and the documentation's table. */
  readonly meaning: string;
  /** What to do about it, or when it tells of trouble. */
  readonly action: string;
}

/** Labels that only some series of a metric have. Of the metrics with `tenant`: `more="true"` for those beyond the bound, together. */
export const OCCASIONAL_LABELS = ['more'] as const;

/** Every metric of the server itself; those of its store are in `store-figures.ts`. */
export const SERVER_METRICS = {
  cogniverse_server_spans_received_total: {
    type: 'counter',
    unit: 'spans',
    labels: ['tenant'],
    meaning: 'Spans received; equals acknowledged and rejected together.',
    action: 'No increase: nothing arrives; look at the exporters.',
  },
  cogniverse_server_spans_acknowledged_total: {
    type: 'counter',
    unit: 'spans',
    labels: ['tenant'],
    meaning: 'Spans stored and acknowledged.',
    action: '',
  },
  cogniverse_server_spans_rejected_total: {
    type: 'counter',
    unit: 'spans',
    labels: ['tenant'],
    meaning: 'Spans refused in a partial success.',
    action: "The exporters' logs name the reason; often a key of another tenant.",
  },
  cogniverse_server_spans_duplicate_total: {
    type: 'counter',
    unit: 'spans',
    labels: ['tenant'],
    meaning: 'Acknowledged spans that were known to be held already: same request, or still in memory.',
    action: 'Many: exporters do not get their answers in time; raise their timeout.',
  },
  cogniverse_server_spans_stored_total: {
    type: 'counter',
    unit: 'spans',
    labels: ['tenant'],
    meaning: 'Acknowledged spans that were not known to be held already; with the duplicate ones all acknowledged.',
    action: '',
  },
  cogniverse_server_ingest_requests_total: {
    type: 'counter',
    unit: 'requests',
    labels: ['outcome'],
    meaning: 'Ingest requests by outcome: stored, invalid, overloaded, unavailable.',
    action: 'overloaded or unavailable grow: see the figures of the store, and the limits.',
  },
  cogniverse_server_ingest_bytes_in_flight: {
    type: 'gauge',
    unit: 'bytes',
    labels: [],
    meaning: 'Bytes of requests held.',
    action: 'Near limits.maxBytesInFlight: requests are refused; raise it, or send smaller batches.',
  },
  cogniverse_server_ingest_requests_in_flight: {
    type: 'gauge',
    unit: 'requests',
    labels: [],
    meaning: 'Requests being read or stored.',
    action: '',
  },
  cogniverse_server_requests_total: {
    type: 'counter',
    unit: 'requests',
    labels: ['listener', 'route', 'status'],
    meaning: 'Requests by listener, route and HTTP status or gRPC code.',
    action: 'Status 500: the log has each as internal_error.',
  },
  cogniverse_server_request_duration_seconds: {
    type: 'histogram',
    unit: 's',
    labels: ['listener', 'route'],
    meaning: 'Time from the first byte of a request to the end of its answer.',
    action: '',
  },
  cogniverse_server_access_refused_total: {
    type: 'counter',
    unit: 'requests',
    labels: ['reason'],
    meaning:
      'Requests that were not let in: missing, malformed, unknown, expired, revoked, not_allowed, file_unusable.',
    action:
      'unknown grows: somebody tries keys. expired: make a new one. file_unusable: mend the file of keys at once.',
  },
  cogniverse_server_connection_errors_total: {
    type: 'counter',
    unit: 'connections',
    labels: ['listener'],
    meaning: 'Connections and streams that broke off or broke the rules of the protocol.',
    action: '',
  },
  cogniverse_server_internal_errors_total: {
    type: 'counter',
    unit: 'errors',
    labels: [],
    meaning: "Errors of the server's own or of its store.",
    action: 'Any increase: look into the log.',
  },
  cogniverse_store_ready: {
    type: 'gauge',
    unit: '',
    labels: [],
    meaning: '1 while the store takes writes.',
    action: '0: /readyz says why.',
  },
  process_cpu_seconds_total: {
    type: 'counter',
    unit: 's',
    labels: [],
    meaning: 'CPU time of the process.',
    action: '',
  },
  process_resident_memory_bytes: {
    type: 'gauge',
    unit: 'bytes',
    labels: [],
    meaning: 'Resident memory of the process.',
    action: 'Much above memoryLimitMb of the store and 500 MB: report it.',
  },
  process_start_time_seconds: {
    type: 'gauge',
    unit: 's',
    labels: [],
    meaning: 'Start of the process, since 1970.',
    action: 'A change nobody made: it was restarted; look why.',
  },
  nodejs_heap_used_bytes: {
    type: 'gauge',
    unit: 'bytes',
    labels: [],
    meaning: 'JavaScript heap in use on the main thread.',
    action: '',
  },
  nodejs_eventloop_delay_p99_seconds: {
    type: 'gauge',
    unit: 's',
    labels: [],
    meaning: 'Event loop delay, 99th percentile since the start.',
    action: 'Above 0.2: the machine is too busy for this process.',
  },
  nodejs_eventloop_delay_max_seconds: {
    type: 'gauge',
    unit: 's',
    labels: [],
    meaning: 'Event loop delay, longest since the start.',
    action: '',
  },
} as const satisfies Record<string, MetricDescription>;

export type ServerMetricName = keyof typeof SERVER_METRICS;

export type ListenerName = 'http' | 'otlp_http' | 'grpc';

/** Upper bounds in seconds. */
const BUCKETS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

interface RouteTimes {
  readonly listener: ListenerName;
  readonly route: string;
  /** Requests within each bucket alone, not summed up. */
  readonly buckets: number[];
  count: number;
  seconds: number;
}

export class ServerMetrics {
  readonly #requests = new Map<string, { listener: ListenerName; route: string; status: number; count: number }>();
  readonly #times = new Map<string, RouteTimes>();
  readonly #connectionErrors = new Map<ListenerName, number>();
  readonly #eventLoopDelay: IntervalHistogram = monitorEventLoopDelay({ resolution: 20 });
  readonly #logger: ServerLogger;
  #internalErrors = 0;

  constructor(options: { logger: ServerLogger }) {
    this.#logger = options.logger;
    this.#eventLoopDelay.enable();
  }

  /** `route` is a pattern, never a path as sent. `status` is an HTTP status or a gRPC code. */
  observe(request: { listener: ListenerName; route: string; status: number; seconds: number }): void {
    const { listener, route, status, seconds } = request;
    const key = `${listener} ${route}`;
    let counted = this.#requests.get(`${key} ${status}`);
    if (counted === undefined) {
      counted = { listener, route, status, count: 0 };
      this.#requests.set(`${key} ${status}`, counted);
    }
    counted.count += 1;
    let times = this.#times.get(key);
    if (times === undefined) {
      times = { listener, route, buckets: new Array<number>(BUCKETS.length).fill(0), count: 0, seconds: 0 };
      this.#times.set(key, times);
    }
    times.count += 1;
    times.seconds += seconds;
    const bucket = BUCKETS.findIndex((bound) => seconds <= bound);
    if (bucket !== -1) times.buckets[bucket]! += 1;
  }

  /** A connection or stream that broke off or broke the protocol's rules. */
  countConnectionError(listener: ListenerName): void {
    this.#connectionErrors.set(listener, (this.#connectionErrors.get(listener) ?? 0) + 1);
  }

  /** An error that is the server's own fault: counted and logged; never shown to the client. */
  reportError(listener: ListenerName, error: unknown): void {
    this.#internalErrors += 1;
    this.#logger.log('error', 'internal_error', {
      listener,
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
  }

  async render(sources: {
    store: TelemetryStore;
    ledger: ServerLedger;
    gate: IngestGate;
    refused?: ReadonlyMap<string, number> | undefined;
  }): Promise<string> {
    const text = new MetricsText();
    this.#renderLedger(text, sources.ledger);
    text.gauge('cogniverse_server_ingest_bytes_in_flight', sources.gate.bytesInFlight);
    text.gauge('cogniverse_server_ingest_requests_in_flight', sources.gate.requestsInFlight);
    text.head('cogniverse_server_requests_total');
    for (const { listener, route, status, count } of this.#requests.values()) {
      text.sample('cogniverse_server_requests_total', count, { listener, route, status: String(status) });
    }
    this.#renderTimes(text);
    text.head('cogniverse_server_access_refused_total');
    for (const [reason, count] of sources.refused ?? []) {
      text.sample('cogniverse_server_access_refused_total', count, { reason });
    }
    text.head('cogniverse_server_connection_errors_total');
    for (const [listener, count] of this.#connectionErrors) {
      text.sample('cogniverse_server_connection_errors_total', count, { listener });
    }
    text.head('cogniverse_server_internal_errors_total');
    text.sample('cogniverse_server_internal_errors_total', this.#internalErrors);
    await this.#renderStore(text, sources.store);
    this.#renderProcess(text);
    return text.toString();
  }

  close(): void {
    this.#eventLoopDelay.disable();
  }

  #renderLedger(text: MetricsText, ledger: ServerLedger): void {
    const { tenants, others, requests } = ledger.snapshot();
    for (const fate of ['received', 'acknowledged', 'rejected', 'duplicate', 'stored'] as const) {
      const name = `cogniverse_server_spans_${fate}_total` as const;
      text.head(name);
      for (const counts of tenants) text.sample(name, counts[fate], { tenant: counts.tenantId ?? '' });
      if (others.received > 0) text.sample(name, others[fate], { tenant: '', more: 'true' });
    }
    text.head('cogniverse_server_ingest_requests_total');
    for (const [outcome, count] of Object.entries(requests))
      text.sample('cogniverse_server_ingest_requests_total', count, { outcome });
  }

  #renderTimes(text: MetricsText): void {
    const name = 'cogniverse_server_request_duration_seconds';
    text.head(name);
    for (const { listener, route, buckets, count, seconds } of this.#times.values()) {
      let sum = 0;
      for (const [i, bound] of BUCKETS.entries()) {
        sum += buckets[i]!;
        text.sample(`${name}_bucket`, sum, { listener, route, le: String(bound) });
      }
      text.sample(`${name}_bucket`, count, { listener, route, le: '+Inf' });
      text.sample(`${name}_sum`, seconds, { listener, route });
      text.sample(`${name}_count`, count, { listener, route });
    }
  }

  async #renderStore(text: MetricsText, store: TelemetryStore): Promise<void> {
    text.gauge('cogniverse_store_ready', store.health().ready ? 1 : 0);
    try {
      for (const [name, value] of Object.entries(await store.figures())) {
        if (!/^[a-z][a-z0-9_]*$/.test(name)) continue;
        const { type, help } = describeStoreFigure(name);
        text.describe(`cogniverse_store_${name}`, type, help);
        text.sample(`cogniverse_store_${name}`, value);
      }
    } catch (error) {
      // The server's own figures are worth having most when the store does not answer.
      this.#logger.log('warn', 'store_figures_failed', {
        error: error instanceof Error ? error.message : String(error),
      });
    }
  }

  #renderProcess(text: MetricsText): void {
    const cpu = process.cpuUsage();
    text.head('process_cpu_seconds_total');
    text.sample('process_cpu_seconds_total', (cpu.user + cpu.system) / 1e6);
    text.gauge('process_resident_memory_bytes', process.memoryUsage.rss());
    text.gauge('process_start_time_seconds', Math.round(performance.timeOrigin / 1000));
    text.gauge('nodejs_heap_used_bytes', process.memoryUsage().heapUsed);
    text.gauge('nodejs_eventloop_delay_p99_seconds', this.#eventLoopDelay.percentile(99) / 1e9);
    text.gauge('nodejs_eventloop_delay_max_seconds', this.#eventLoopDelay.max / 1e9);
  }
}

class MetricsText {
  readonly #lines: string[] = [];

  head(name: ServerMetricName): void {
    this.describe(name, SERVER_METRICS[name].type, SERVER_METRICS[name].meaning);
  }
  describe(name: string, type: MetricDescription['type'], help: string): void {
    this.#lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
  }
  gauge(name: ServerMetricName, value: number): void {
    this.head(name);
    this.sample(name, value);
  }
  sample(name: string, value: number, labels: Readonly<Record<string, string>> = {}): void {
    const pairs = Object.entries(labels).map(
      ([key, text]) => `${key}="${text.replace(/[\\"\n]/g, (c) => (c === '\n' ? '\\n' : `\\${c}`))}"`,
    );
    this.#lines.push(
      `${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${Number.isNaN(value) ? 'NaN' : value}`,
    );
  }
  toString(): string {
    return `${this.#lines.join('\n')}\n`;
  }
}
