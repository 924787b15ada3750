/**
 * The thread that owns the log and the database.   Local store -> port -> [store-worker] -> engine.
 *
 * Requests that wait are taken together as one group, so that one sync serves them all. Everything else is a call of a handler by name.
 */
import { setImmediate } from 'node:timers/promises';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { InvalidQueryError, TenantDeletedError } from '@cogniverse/foundation/store';
import type { IngestRequest, ProjectRef } from '@cogniverse/foundation/telemetry';
import { writeBackup } from './backup/backup.js';
import { DataDirectory } from './data-directory.js';
import { type EngineEvents, StoreEngine } from './engine.js';
import { Deletions } from './erasure/deletions.js';
import { erasureHandlers } from './erasure/handlers.js';
import { PendingDeletions } from './erasure/pending-deletions.js';
import { Retention } from './erasure/retention.js';
import { collectWhenIdle } from './idle-memory.js';
import { metaHandlers } from './meta/handlers.js';
import { getStatistics, listTenants, locate } from './query/project-query.js';
import { getSessionTurns, listSessions } from './query/session-query.js';
import { querySpans } from './query/span-query.js';
import { queryTraces } from './query/trace-query.js';
import { errorToMessage, type FromWorker, type StoreHandlers, type ToWorker, type WorkerData } from './store-port.js';
import { upgradeDirectory } from './upgrade/upgrade.js';

/** A group is cut here: its answers, and the queries that wait for a turn, do not wait for the decoding of all that came. */
const GROUP_BYTES = 512 * 1024;
const TICK_MILLIS = 250;

interface WaitingRequest {
  readonly id: number;
  readonly request: IngestRequest;
}

type CallMessage = Extract<ToWorker, { readonly type: 'call' }>;

/** The tenant that a call names; undefined for none. */
function tenantOf({ request }: CallMessage): string | null | undefined {
  const { tenantId, project } = (request ?? {}) as { tenantId?: string | null; project?: Partial<ProjectRef> };
  return tenantId === undefined ? project?.tenantId : tenantId;
}

class StoreWorker {
  readonly #port: MessagePort;
  readonly #engine: StoreEngine;
  readonly #retention: Retention;
  readonly #deletions: Deletions;
  readonly #handlers: ReadonlyMap<string, (request: never) => Promise<unknown>>;
  readonly #closeMeta: () => Promise<void>;
  #waiting: WaitingRequest[] = [];
  /** Groups and ticks, one after another. */
  #turn: Promise<void> = Promise.resolve();
  #drainScheduled = false;
  /** Calls under way, with what they ask. */
  readonly #calls = new Map<Promise<void>, CallMessage>();
  readonly #timer: NodeJS.Timeout;
  #tickUnderWay = false;
  #failed = false;
  readonly #halted: Int32Array;

  constructor(port: MessagePort, { engine, retention, deletions, handlers, closeMeta }: Parts, halted: Int32Array) {
    this.#port = port;
    this.#halted = halted;
    this.#engine = engine;
    this.#retention = retention;
    this.#deletions = deletions;
    this.#handlers = new Map(Object.entries(handlers));
    this.#closeMeta = closeMeta;
    port.on('message', (message: ToWorker) => this.#receive(message));
    this.#timer = setInterval(() => this.#tick(), TICK_MILLIS);
  }

  #receive(message: ToWorker): void {
    if (this.#failed) return;
    switch (message.type) {
      case 'ingest':
        this.#waiting.push(message);
        if (!this.#drainScheduled) {
          this.#drainScheduled = true;
          // After the messages that have arrived by now.
          this.#inTurn(async () => {
            await setImmediate();
            await this.#drain();
          });
        }
        return;
      case 'call': {
        const call = this.#call(message);
        this.#calls.set(call, message);
        call.finally(() => this.#calls.delete(call));
        return;
      }
      case 'shutdown':
        this.#shutdown(message.id);
        return;
      case 'halt':
        this.#halt();
    }
  }

  #send(message: FromWorker): void {
    this.#port.postMessage(message);
  }

  /** What fails here leaves log and tables in a state that nobody knows. */
  #inTurn(work: () => Promise<void>): void {
    this.#turn = this.#turn.then(work).catch((error: unknown) => this.fail(error));
  }

  /**
   * Ends the thread; a new one starts from the log, which has all that was acknowledged. Not before the database is idle: a thread that goes
   * while a statement of it runs takes the whole process with it.
   */
  fail(error: unknown): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#send({ type: 'failing', error: errorToMessage(error) });
    clearInterval(this.#timer);
    Promise.allSettled([...this.#calls.keys(), ...this.#background(), this.#engine.stop()]).then(() =>
      this.#port.close(),
    );
  }

  /** Settle when nothing runs that nobody asked for just now. */
  #background(): Promise<void>[] {
    return [this.#retention.drained(), this.#deletions.drained()];
  }

  /** The process exits, now. */
  #halt(): void {
    this.#failed = true;
    clearInterval(this.#timer);
    this.#engine.interrupt();
    Promise.allSettled([this.#turn, ...this.#calls.keys(), ...this.#background(), this.#engine.stop()]).then(() => {
      Atomics.store(this.#halted, 0, 1);
      Atomics.notify(this.#halted, 0);
    });
  }

  #tick(): void {
    if (this.#tickUnderWay || this.#failed) return;
    this.#tickUnderWay = true;
    this.#retention.tick(Date.now());
    this.#deletions.tick();
    this.#inTurn(async () => {
      await this.#engine.tick();
      this.#tickUnderWay = false;
    });
  }

  async #drain(): Promise<void> {
    this.#drainScheduled = false;
    while (this.#waiting.length > 0 && !this.#failed) {
      let bytes = 0;
      let count = 0;
      while (count < this.#waiting.length && bytes < GROUP_BYTES) bytes += this.#waiting[count++]!.request.body.length;
      const group = this.#waiting.slice(0, count);
      this.#waiting = this.#waiting.slice(count);
      await this.#engine.ingest(
        group.map(({ request }) => request),
        (index, result) => this.#send({ type: 'ingested', id: group[index]!.id, result }),
      );
      // Queries get their turn between two groups.
      await setImmediate();
    }
  }

  /** Resolves when the calls under way that name the tenant have been answered, but deletions. */
  async callsOf(tenantId: string | null): Promise<void> {
    const calls = [...this.#calls].filter(([, call]) => call.name !== 'deleteTenant' && tenantOf(call) === tenantId);
    await Promise.all(calls.map(([call]) => call));
  }

  async #call(message: CallMessage): Promise<void> {
    const { id, name, request } = message;
    try {
      const handler = this.#handlers.get(name);
      if (handler === undefined) throw new InvalidQueryError(`This store has no operation "${name}".`);
      const tenant = tenantOf(message);
      if (tenant !== undefined && this.#engine.isBeingDeleted(tenant) && name !== 'deleteTenant') {
        throw new TenantDeletedError(
          `The tenant ${JSON.stringify(tenant)} is being deleted. Ask again when that is done.`,
        );
      }
      this.#send({ type: 'result', id, value: await handler(request as never) });
    } catch (error) {
      this.#send({ type: 'error', id, error: errorToMessage(error) });
    }
  }

  #shutdown(id: number): void {
    clearInterval(this.#timer);
    this.#inTurn(async () => {
      await this.#drain();
      await Promise.all(this.#calls.keys());
      await Promise.all(this.#background());
      await this.#closeMeta();
      await this.#engine.close();
      this.#send({ type: 'result', id, value: undefined });
      this.#port.close();
    });
  }
}

/** A store that is open, before it serves. */
interface Parts {
  readonly engine: StoreEngine;
  readonly retention: Retention;
  readonly deletions: Deletions;
  readonly handlers: StoreHandlers;
  closeMeta(): Promise<void>;
}

interface PartsEvents extends EngineEvents {
  callsOf(tenantId: string | null): Promise<void>;
}

async function openParts(
  config: WorkerData['config'],
  directory: DataDirectory,
  { callsOf, ...events }: PartsEvents,
): Promise<Parts> {
  const { report } = events;
  const pending = PendingDeletions.open(directory);
  const engine = await StoreEngine.open(config, directory, events);
  const meta = await metaHandlers(engine);
  const retention = new Retention(engine, meta.database, config, report);
  await retention.load();
  const deletions = new Deletions(
    {
      eraser: engine.eraser,
      get nextSequence() {
        return engine.nextSequence;
      },
      refuse: (tenant) => engine.refuse(tenant),
      accept: (tenant) => engine.accept(tenant),
      callsOf,
      report,
    },
    meta.database,
    pending,
  );
  const handlers = {
    querySpans: (query) => querySpans(engine, query),
    queryTraces: (query) => queryTraces(engine, query),
    listTenants: () => listTenants(engine),
    locate: (query) => locate(engine, query),
    listSessions: (query) => listSessions(engine, query),
    getSessionTurns: (query) => getSessionTurns(engine, query),
    getStatistics: (query) => getStatistics(engine, query),
    figures: async () => ({ ...engine.figures(), ...retention.figures(), ...deletions.figures() }),
    setRetention: ({ project, days }) => retention.set(project, days),
    listRetention: ({ tenantId }) => retention.list(tenantId),
    ...meta.handlers,
    backup: ({ directory: target }) => writeBackup(engine.backupHost(), target, (work) => meta.database.alone(work)),
    ...erasureHandlers(engine, meta.database, deletions),
  } satisfies Partial<StoreHandlers> as StoreHandlers;
  return { engine, retention, deletions, handlers, closeMeta: () => meta.close() };
}

async function start(port: MessagePort, { config, halted }: WorkerData): Promise<void> {
  const send = (message: FromWorker) => port.postMessage(message);
  let worker: StoreWorker | undefined;
  let failure: unknown;
  const events: PartsEvents = {
    report: (line) => send({ type: 'report', line }),
    health: (health) => send({ type: 'health', health }),
    fatal: (error) => {
      failure = error;
      worker?.fail(error);
    },
    callsOf: async (tenantId) => worker?.callsOf(tenantId),
  };
  try {
    const directory = new DataDirectory(config.dataDir);
    directory.prepareParts();
    await upgradeDirectory(directory, events.report);
    let parts = await openParts(config, directory, events);
    await parts.deletions.finishPending();
    if (failure !== undefined) {
      // It must not keep the store closed for all others: it is tried again while the store serves.
      await parts.engine.stop();
      await parts.closeMeta();
      await parts.engine.abandon();
      failure = undefined;
      parts = await openParts(config, directory, events);
    }
    worker = new StoreWorker(port, parts, halted);
    if (failure !== undefined) worker.fail(failure);
    send({ type: 'opened' });
  } catch (error) {
    send({ type: 'error', id: null, error: errorToMessage(error) });
    port.close();
  }
}

if (parentPort !== null) {
  collectWhenIdle();
  await start(parentPort, workerData as WorkerData);
}
