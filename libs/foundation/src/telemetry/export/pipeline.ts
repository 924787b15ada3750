/**
 * All export of one process: queues of all tenant projects, one sender a destination, one timer.   Write path: from the encoder to the backend.
 */
import { encodeResource } from '../../otlp/index.js';
import { BlockPool } from './block-pool.js';
import { ByteBudget } from './byte-budget.js';
import { type Clock, type ClockTimer, systemClock } from './clock.js';
import { DEFAULT_MAX_REQUEST_BYTES, ExportScheduler } from './export-scheduler.js';
import type { ExportTarget } from './export-target.js';
import { lazySender } from './lazy-sender.js';
import type { Ledger } from './ledger.js';
import { consoleLogger, FencedLogger, type PipelineLogger } from './pipeline-logger.js';
import { DEFAULT_RETRY_POLICY, type RetryPolicy } from './retry-policy.js';
import { type AttemptObserver, RetrySender } from './retry-sender.js';
import { Settlement } from './settlement.js';
import type { Spool } from './spool.js';
import { type QueueHost, type ScopeBytes, TenantQueue } from './tenant-queue.js';

/** Memory that is kept for the next spans while there are none. */
const IDLE_POOL_BYTES = 1024 * 1024;

/** Of a shutdown's time, for sending, where a spool takes the rest. */
const FLUSH_SHARE = 0.7;

export interface PipelineOptions {
  readonly ledger: Ledger;
  /** Spans in one request. Default 512. */
  readonly maxExportBatchSize?: number | undefined;
  /** Longest time a span waits for its batch to fill, in milliseconds. Default 500. */
  readonly scheduleDelayMillis?: number | undefined;
  /** Deadline of one attempt, in milliseconds. Default 30,000. */
  readonly exportTimeoutMillis?: number | undefined;
  /** Bytes of all spans in memory, queued and in flight. Default 64 MiB. */
  readonly maxQueueBytes?: number | undefined;
  /** Requests under way at once, per destination. Default 4. */
  readonly maxRequestsInFlight?: number | undefined;
  /** Repetition. Default: 1 s, doubled, at most 30 s, full jitter, given up after 300 s. */
  readonly retryPolicy?: RetryPolicy | undefined;
  readonly clock?: Clock | undefined;
  readonly logger?: PipelineLogger | undefined;
  /** 0 (included) to 1 (not included), for jitter. */
  readonly random?: (() => number) | undefined;
}

/** What may change while it runs; see `PipelineOptions`. */
export interface PipelineSettings {
  readonly maxExportBatchSize: number;
  readonly scheduleDelayMillis: number;
  readonly exportTimeoutMillis: number;
  readonly maxRequestsInFlight: number;
}

export interface OpenProjectOptions {
  readonly tenantId: string;
  /** The full name. */
  readonly projectName: string;
  readonly target: ExportTarget;
  /** Spans that may wait. */
  readonly maxQueueSize: number;
}

export interface PipelineStats {
  /** Queues open or not yet drained. */
  readonly projects: number;
  readonly destinations: number;
  readonly queuedSpans: number;
  /** Sum of the bounds of all queues, in spans. */
  readonly queueCapacity: number;
  /** Bytes of all spans queued and in flight, and their bound. */
  readonly usedBytes: number;
  readonly maxBytes: number;
  readonly requestsInFlight: number;
}

export class ExportPipeline implements QueueHost {
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly budget: ByteBudget;
  readonly pool = new BlockPool();
  readonly scopes = new Map<number, ScopeBytes>();
  readonly #options: PipelineOptions;
  readonly #logger: PipelineLogger;
  #settings: PipelineSettings;
  readonly #queues = new Map<string, TenantQueue>();
  /** By the target's key. */
  readonly #schedulers = new Map<string, ExportScheduler>();
  /** Without projects, about to have freed their connections. */
  readonly #closing = new Set<ExportScheduler>();
  #timer: ClockTimer | undefined;
  #stopped = false;
  #shutdown: Promise<void> | undefined;
  #spool: Spool | undefined;
  /** Told of every attempt, for metrics. */
  onAttempt: AttemptObserver | undefined;

  constructor(options: PipelineOptions) {
    this.#options = options;
    this.ledger = options.ledger;
    this.clock = options.clock ?? systemClock;
    this.budget = new ByteBudget(options.maxQueueBytes ?? 64 * 1024 * 1024);
    this.#logger = new FencedLogger(options.logger ?? consoleLogger);
    this.#settings = {
      maxExportBatchSize: options.maxExportBatchSize ?? 512,
      scheduleDelayMillis: options.scheduleDelayMillis ?? 500,
      exportTimeoutMillis: options.exportTimeoutMillis ?? 30_000,
      maxRequestsInFlight: options.maxRequestsInFlight ?? 4,
    };
  }

  /** From now on. Requests that are under way keep their deadline; fewer of them than that are only reached as they end. */
  configure({ maxQueueBytes, ...settings }: PipelineSettings & { readonly maxQueueBytes: number }): void {
    this.#settings = settings;
    this.budget.maxBytes = maxQueueBytes;
    if (this.#timer === undefined) return;
    this.#timer.cancel();
    this.#timer = undefined;
    this.#armTimerIfNeeded();
  }

  /** Shut down: spans that come now count as `already_shutdown`. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** The queue of a tenant's project; the same one for equal tenant, project and destination, while it is open or not yet drained. */
  openProject(options: OpenProjectOptions): TenantQueue {
    const { tenantId, projectName, target } = options;
    const known = this.#queues.get(queueKey(tenantId, projectName, target));
    if (known !== undefined) {
      known.reopen();
      known.resize(options.maxQueueSize);
      return known;
    }
    const resource = encodeResource({ attributes: new Map(target.resourceAttributes), droppedAttributesCount: 0 });
    return new TenantQueue({ ...options, resource, host: this });
  }

  /** Nothing new is expected from it: what waits is still delivered, then it is forgotten. */
  closeProject(queue: TenantQueue): void {
    queue.close();
  }

  remember(queue: TenantQueue): ExportScheduler {
    this.#queues.set(queueKey(queue.tenantId, queue.projectName, queue.target), queue);
    const scheduler = this.#scheduler(queue.target);
    scheduler.projects += 1;
    return scheduler;
  }

  forget(queue: TenantQueue): void {
    const key = queueKey(queue.tenantId, queue.projectName, queue.target);
    if (this.#queues.get(key) === queue) this.#queues.delete(key);
    const scheduler = this.#schedulers.get(queue.target.key);
    if (scheduler === undefined) return;
    scheduler.projects -= 1;
    if (scheduler.projects > 0) return;
    // The destination's last project is gone: so are its connections.
    this.#schedulers.delete(queue.target.key);
    this.#closing.add(scheduler);
    void scheduler.stop().then(() => this.#closing.delete(scheduler));
  }

  #scheduler(target: ExportTarget): ExportScheduler {
    let scheduler = this.#schedulers.get(target.key);
    if (scheduler === undefined) {
      const retrySender = new RetrySender({
        sender: lazySender(target),
        destination: target.label,
        clock: this.clock,
        random: this.#options.random ?? Math.random,
        logger: this.#logger,
        policy: this.#options.retryPolicy ?? DEFAULT_RETRY_POLICY,
        exportTimeoutMillis: () => this.#settings.exportTimeoutMillis,
      });
      retrySender.onAttempt = (durationMillis, result) => this.onAttempt?.(durationMillis, result);
      scheduler = new ExportScheduler({
        key: target.key,
        spool: () => this.#spool,
        ledger: this.ledger,
        retrySender,
        settings: () => this.#settings,
        maxRequestBytes: target.maxRequestBytes ?? DEFAULT_MAX_REQUEST_BYTES,
        budget: this.budget,
        pool: this.pool,
        needTick: () => this.#armTimer(),
        onSettled: () => this.#settled(),
      });
      this.#schedulers.set(target.key, scheduler);
      if (this.#spool !== undefined) queueMicrotask(() => this.#schedulers.get(target.key)?.spoolOpened());
    }
    return scheduler;
  }

  /**
   * From now on, what a destination does not take in time waits in this spool. Spans that an earlier process left there count as ended
   * here, so that they have a fate here. The pipeline closes it at shutdown.
   */
  attachSpool(spool: Spool): void {
    this.#spool = spool;
    for (const { tenantId, count } of spool.recovered()) {
      const tenant = this.ledger.tenant(tenantId);
      tenant.started += count;
      tenant.ended += count;
      tenant.spooled += count;
    }
    for (const scheduler of this.#schedulers.values()) scheduler.spoolOpened();
  }

  #settled(): void {
    if (this.budget.usedBytes === 0) this.pool.trim(IDLE_POOL_BYTES);
    this.#armTimerIfNeeded();
  }

  #armTimer(): void {
    this.#timer ??= this.clock.schedule(this.#settings.scheduleDelayMillis, () => {
      this.#timer = undefined;
      for (const scheduler of this.#schedulers.values()) scheduler.tick();
      this.#armTimerIfNeeded();
    });
  }

  #armTimerIfNeeded(): void {
    if (this.#timer !== undefined || this.#stopped) return;
    if ([...this.#schedulers.values()].some((scheduler) => scheduler.needsTick)) this.#armTimer();
  }

  /**
   * Sends what waits, and waits for every span that was offered before the call, those in flight included; with `tenantId` for that
   * tenant's only. True only if all of them were exported; false after `timeoutMillis` in any case. The process stays alive meanwhile.
   */
  async forceFlush(timeoutMillis: number, tenantId?: string): Promise<boolean> {
    const settlement = new Settlement();
    const destinations = new Set<string>();
    for (const queue of this.#queues.values()) {
      if (tenantId !== undefined && queue.tenantId !== tenantId) continue;
      if (queue.markAll(settlement)) destinations.add(queue.target.key);
    }
    settlement.finishIfSettled();
    if (settlement.done) return this.#nothingSpooled(tenantId);
    const timer = this.clock.schedule(timeoutMillis, () => settlement.expire(), true);
    for (const key of destinations) this.#schedulers.get(key)!.hasten();
    const allExported = await settlement.settled;
    timer.cancel();
    return allExported && this.#nothingSpooled(tenantId);
  }

  /**
   * Takes nothing new, sends what waits, then stops, within `timeoutMillis` also when a backend is gone: what could not go out counts as
   * `shutdown_timeout`. Concurrent calls share one effect and its promise.
   */
  shutdown(timeoutMillis: number): Promise<void> {
    this.#shutdown ??= this.#stop(timeoutMillis);
    return this.#shutdown;
  }

  async #stop(timeoutMillis: number): Promise<void> {
    this.#stopped = true;
    for (const queue of [...this.#queues.values()]) queue.releaseWaiters();
    const deadline = this.clock.monotonicMillis() + timeoutMillis;
    // With a spool, a part of the time is for writing to it what could not go out.
    await this.forceFlush(this.#spool === undefined ? timeoutMillis : timeoutMillis * FLUSH_SHARE);
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#spool !== undefined) {
      const written = Promise.all([...this.#schedulers.values()].map((scheduler) => scheduler.spoolRest()));
      await this.#atMost(deadline - this.clock.monotonicMillis(), written);
    }
    for (const queue of [...this.#queues.values()]) queue.dropAll('shutdown_timeout');
    const stopped = Promise.all([...this.#schedulers.values(), ...this.#closing].map((scheduler) => scheduler.stop()));
    await this.#atMost(deadline - this.clock.monotonicMillis(), stopped);
    for (const queue of [...this.#queues.values()]) queue.close();
    if (this.#spool !== undefined) await this.#atMost(deadline - this.clock.monotonicMillis(), this.#spool.close());
    this.ledger.writeDrops();
  }

  #nothingSpooled(tenantId: string | undefined): boolean {
    if (this.#spool === undefined) return true;
    return (tenantId === undefined ? this.ledger.total() : this.ledger.tenant(tenantId)).spooled === 0;
  }

  /** Waits for `work`, but no longer: a sender that does not close does not hold the shutdown. */
  #atMost(millis: number, work: Promise<unknown>): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.clock.schedule(millis, resolve, true);
      void work.then(() => {
        timer.cancel();
        resolve();
      });
    });
  }

  /** Sizes at this moment. */
  stats(): PipelineStats {
    let queuedSpans = 0;
    let requestsInFlight = 0;
    let queueCapacity = 0;
    for (const queue of this.#queues.values()) queueCapacity += queue.maxQueueSize;
    for (const scheduler of this.#schedulers.values()) {
      queuedSpans += scheduler.queuedSpans;
      requestsInFlight += scheduler.requestsInFlight;
    }
    return {
      projects: this.#queues.size,
      destinations: this.#schedulers.size,
      queuedSpans,
      queueCapacity,
      usedBytes: this.budget.usedBytes,
      maxBytes: this.budget.maxBytes,
      requestsInFlight,
    };
  }

  /** The first thing that does not add up, in words, or null: the ledger's equations, and its counters against the queues themselves. */
  audit(): string | null {
    const violated = this.ledger.audit();
    if (violated !== null) return violated;
    const total = this.ledger.total();
    let queued = 0;
    let inFlight = 0;
    let bytes = this.budget.inFlightBytes;
    for (const queue of this.#queues.values()) {
      queued += queue.size;
      inFlight += queue.inFlight;
      bytes += queue.queuedBytes;
    }
    let scheduled = 0;
    for (const scheduler of this.#schedulers.values()) {
      scheduled += scheduler.queuedSpans;
      inFlight += scheduler.replayedSpans;
    }
    if (queued !== total.queued) return `the queues hold ${queued} spans, the ledger says ${total.queued}`;
    if (queued !== scheduled) return `the queues hold ${queued} spans, the schedulers say ${scheduled}`;
    if (bytes !== this.budget.usedBytes)
      return `${bytes} bytes are in memory, the budget says ${this.budget.usedBytes}`;
    // A request that was answered in part still has all its spans in flight for its queues.
    if (inFlight < total.inFlight) return `${inFlight} spans are in flight, the ledger says ${total.inFlight}`;
    return null;
  }
}

/** No separator can be forged: the lengths stand first. */
function queueKey(tenantId: string, projectName: string, target: ExportTarget): string {
  return `${tenantId.length}:${projectName.length}:${tenantId}${projectName}${target.key}`;
}
