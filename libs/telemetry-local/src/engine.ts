/**
 * The store's inside, all of it in the worker thread: log, hot tables, day files, and what queries run on.
 *
 * Write path: worker -> [engine]: admit -> log -> sync -> acknowledge -> hot table; later: flush -> day files -> unlink the log.
 * Read path:  handler -> [engine]: snapshot -> SQL -> rows.
 *
 * For code beside it (`meta/`): `metaConnection()` gives a connection whose database `meta` is `meta.duckdb`; tables there are named `meta.x`.
 * A connection has one transaction at a time, so each caller that needs transactions takes a connection and runs its work one after another.
 * `withSpans(project, range, fn)` gives the spans of a project as an SQL source, with the columns of `span-table.ts` (`STORED_COLUMNS`), deduplicated
 * and consistent for as long as `fn` runs; `run` in it is capped, and stopped after the time limit. Bind values with `sql.bind(value)`; never write them into SQL.
 * `query/attribute-condition.ts` has SQL for attribute values.
 */
import { readdirSync, statfsSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { decodeTraces, decodeTracesJson, encodeTraces, OtlpDecodeError } from '@cogniverse/foundation/otlp';
import { BackendUnavailableError, InvalidQueryError } from '@cogniverse/foundation/store';
import type {
  IngestRequest,
  IngestResult,
  ProjectRef,
  StoreHealth,
  TenantIngestCounts,
} from '@cogniverse/foundation/telemetry';
import type { DuckDBConnection } from '@duckdb/node-api';
import type { BackupHost, LogPart } from './backup/backup.js';
import { BlockIndex } from './block-index.js';
import { Compaction, type CompactionHost } from './compaction/compaction.js';
import { type DataDirectory, prepareLogOf } from './data-directory.js';
import { Database, isFatal, isNoDamage, type SqlParameters, type SqlRows } from './database.js';
import type { DayFile } from './day-file.js';
import { cannotOpen, DayFiles, dayOfMillis, dayOfSpan } from './day-files.js';
import { type EraseHost, Eraser } from './erasure/eraser.js';
import { attachMeta } from './erasure/rewrite-meta.js';
import type { StoredBlock } from './filled-block.js';
import { flushSegment } from './flush.js';
import { KnownSpans } from './known-spans.js';
import type { LocalStoreConfig } from './options.js';
import { phase } from './phases.js';
import { type ProjectKey, projectKey } from './project-key.js';
import { spanConditionOf } from './query/conditions/query-condition.js';
import { projectCondition, tenantCondition } from './query/span-conditions.js';
import { SqlBuilder } from './query/sql-builder.js';
import { type RememberedAnswer, RequestMemory, requestDigest } from './request-memory.js';
import { type PreparedTable, Segment, spanIdentity } from './segment.js';
import { type NanosRange, Snapshot } from './snapshot.js';
import { admitSpans, rejectionMessage } from './span-admission.js';
import type { SpanRow } from './span-table.js';
import { type LogRecord, LogSegment, type RecordMeta, readSegment, segmentFileName } from './write-ahead-log.js';

/** One project; or all of a tenant, `null` for those that name none; or, of `undefined`, all there are. */
export type SomeProjects = ProjectRef | { readonly tenantId: string | null | undefined };

const MAX_CONDITION_PROJECTS = 200;

function isProject(projects: SomeProjects): projects is ProjectRef {
  return 'name' in projects;
}

export type EngineConfig = Omit<LocalStoreConfig, 'dataDir' | 'maxPendingBytes'>;

export interface EngineEvents {
  /** One line about something an operator should know. */
  report(line: string): void;
  health(health: StoreHealth): void;
  /** Only a new start from the log helps. */
  fatal(error: unknown): void;
}

/** A request that was decoded and decided, before it is on disk. */
interface PreparedRequest {
  readonly digest: string;
  readonly record: LogRecord;
  readonly rows: SpanRow[];
  readonly answer: RememberedAnswer;
}

const READY: StoreHealth = { ready: true, reason: '' };
const RETRY_OVERLOADED_MILLIS = 1000;
const RETRY_UNAVAILABLE_MILLIS = 5000;
const FLUSH_RETRY_MILLIS = 1000;
const FLUSH_RETRY_MAX_MILLIS = 30_000;
/** How often, and with how much, it is tried whether a disk that failed can be written to again. */
const PROBE_MILLIS = 1000;
const PROBE_BYTES = 1024 * 1024;
const MAX_PROJECT_KEYS = 10_000;
/** Of the memory that DuckDB may take, the share that hot tables may; the rest is for flushes, which sort, and for queries. */
const HOT_SHARE = 0.4;
/** And the share of that at which a segment is closed, so that it can be flushed. */
const SEGMENT_SHARE = 0.25;
/** Days of which it is remembered what spans they have; more are forgotten, the one that was written to longest ago first. */
const MAX_KNOWN_DAYS = 8;
/** Rows of a day file that are read at a time to know its spans: what they cost in this thread is a pause of some milliseconds. */
const KNOWN_PAGE = 8192;

export class StoreEngine {
  readonly #config: EngineConfig;
  readonly #directory: DataDirectory;
  readonly #events: EngineEvents;
  readonly #database: Database;
  /** Appends to hot tables. */
  readonly #hotConnection: DuckDBConnection;
  /** Writes day files. */
  readonly #flushConnection: DuckDBConnection;
  readonly #days: DayFiles;
  readonly #blocks = new BlockIndex();
  readonly #known = new Map<number, KnownSpans>();
  /** Readings of ids under way. They settle before the database is closed or its thread ends. */
  readonly #loadingKnown = new Map<KnownSpans, Promise<void>>();
  #isOpen = false;
  readonly #memory: RequestMemory;
  readonly #projectKeys = new Map<string, ProjectKey>();
  /** Oldest first; the last one takes records. */
  readonly #segments: Segment[] = [];
  /** The table of the segment to come. */
  #nextTable: { readonly number: number; readonly table: Promise<PreparedTable> } | undefined;
  /** Segments up to this are in day files, as far as reads are concerned. */
  #watermark = 0;
  #nextSequence = 0n;
  /** The log cannot be written to: why. */
  #writeProblem: string | undefined;
  #flushFails = false;
  /** The active log may hold bytes that do not count; it takes no more. */
  #activeIsSuspect = false;
  /** When to try again whether a new log can be written. */
  #probeAt = 0;
  #health: StoreHealth = READY;
  #flushing: Promise<void> | undefined;
  /** One at a time works on the day files: a flush, or a step of an erasure. */
  #coldTurn: Promise<void> = Promise.resolve();
  /** Who waits until all up to a segment is in day files, and its log gone. */
  readonly #settling = new Set<{ number: number; resolve(): void; reject(error: Error): void }>();
  /** The active segment is closed as soon as it can be. */
  #rollWanted = false;
  /** Tenants that are being deleted: what they send is refused. */
  readonly #deleting = new Set<string | null>();
  readonly eraser: Eraser;
  readonly #compaction: Compaction;
  /** Snapshots that are held. */
  #snapshots = 0;
  #whenNoSnapshot: (() => void) | undefined;
  /** While it is there no snapshot is taken; resolves when that is over. */
  #noSnapshots: Promise<void> | undefined;
  /** While a back-up is written: gets log segments before they are unlinked. */
  #keepLog: ((log: LogPart) => void) | undefined;
  #wakeFlush: (() => void) | undefined;
  /** No new segment begins, and a flush that fails is not repeated. */
  #closing = false;
  /** No flush begins. */
  #stopping = false;
  readonly #counts = {
    requests_total: 0,
    request_duplicates_total: 0,
    spans_accepted_total: 0,
    spans_rejected_total: 0,
    spans_duplicate_total: 0,
    log_syncs_total: 0,
    log_bytes_written_total: 0,
    flushes_total: 0,
    flush_failures_total: 0,
    spans_recovered_total: 0,
    damaged_total: 0,
  };

  private constructor(
    config: EngineConfig,
    directory: DataDirectory,
    events: EngineEvents,
    database: Database,
    connections: { hot: DuckDBConnection; flush: DuckDBConnection },
  ) {
    this.#config = config;
    this.#directory = directory;
    this.#events = events;
    this.#database = database;
    this.#hotConnection = connections.hot;
    this.#flushConnection = connections.flush;
    this.#days = new DayFiles(directory, connections.flush);
    this.#memory = new RequestMemory({ millis: config.requestMemoryMillis, entries: config.requestMemoryEntries });
    this.eraser = new Eraser(this.#eraseHost());
    this.#compaction = new Compaction(this.#compactionHost(), config);
  }

  #eraseHost(): EraseHost {
    return {
      directory: this.#directory,
      days: this.#days,
      connection: this.#flushConnection,
      exclusive: (work) => this.#database.exclusive(work),
      coldTurn: (work) => this.#inColdTurn(work),
      settle: () => this.settle(),
      requireRoom: (bytes) => this.#requireRoom(bytes),
      changing: (day) => this.#compaction.changing(day),
      changed: (day) => {
        this.#blocks.forget(day);
        for (const segment of this.#segments) segment.reconsider(day);
      },
      forget: (tenant) => this.#memory.forgetTenant(tenant),
      fatal: (error) => this.#events.fatal(error),
    };
  }

  /** Errors: `BackendUnavailableError` when so many bytes more would leave the disk with less than is to be kept free, or it cannot be written to. */
  #requireRoom(bytes: number): void {
    const { bavail, bsize } = statfsSync(this.#directory.root);
    const free = bavail * bsize;
    const needed = bytes + this.#config.minFreeBytes;
    if (free < needed) {
      throw new BackendUnavailableError(
        `The disk of ${this.#directory.root} has ${free} bytes free, and ${needed} are needed. Make room on it.`,
      );
    }
    try {
      this.#directory.probe(Math.min(bytes, PROBE_BYTES));
    } catch (cause) {
      throw new BackendUnavailableError(
        `The disk of ${this.#directory.root} cannot be written to: ${(cause as Error).message}.`,
        { cause },
      );
    }
  }

  #compactionHost(): CompactionHost {
    return {
      days: this.#days,
      connect: () => this.#database.connect(),
      query: (sql) => this.query(sql),
      exclusive: (work) => this.#database.exclusive(work),
      coldTurn: (work) => this.#inColdTurn(work),
      withoutSnapshots: (patienceMillis, work) => this.#withoutSnapshots(patienceMillis, work),
      requireRoom: (bytes) => this.#requireRoom(bytes),
      watermark: () => this.#watermark,
      replaced: (day) => this.#blocks.forget(day),
      fatal: (error) => this.#events.fatal(error),
      report: (line) => this.#events.report(line),
    };
  }

  backupHost(): BackupHost {
    return {
      directory: this.#directory,
      days: this.#days,
      connection: this.#flushConnection,
      exclusive: (work) => this.#database.exclusive(work),
      fatal: (error) => this.#events.fatal(error),
      coldTurn: (work) => this.#inColdTurn(work),
      keepLogs: (take) => {
        if (this.#keepLog !== undefined)
          throw new BackendUnavailableError('Another back-up is being written. Wait for it.');
        this.#keepLog = take;
      },
      releaseLogs: () => {
        this.#keepLog = undefined;
        return this.#segments.map(({ logFile, log }) => ({ file: logFile, length: log?.length }));
      },
    };
  }

  /** Reads what a crash left, so that all that was acknowledged is visible when this resolves. */
  static async open(config: EngineConfig, directory: DataDirectory, events: EngineEvents): Promise<StoreEngine> {
    const database = await Database.open({ ...config, tempDirectory: directory.temp, onFatal: events.fatal });
    const connections = { hot: await database.connect(), flush: await database.connect() };
    const engine = new StoreEngine(config, directory, events, database, connections);
    await engine.#recover();
    engine.#isOpen = true;
    return engine;
  }

  // ---- recovery

  async #recover(): Promise<void> {
    const report = (line: string) => {
      this.#counts.damaged_total += 1;
      this.#events.report(line);
    };
    await this.#attachMeta(report);
    const { lastSegment, lastSequence } = await this.#days.open(report);
    this.#nextSequence = lastSequence + 1n;
    let newest = lastSegment;
    let oldest: number | undefined;
    for (const name of readdirSync(this.#directory.wal).sort()) {
      const number = Number(/^seg-(\d+)\.wal$/.exec(name)?.[1]);
      if (Number.isNaN(number)) continue;
      newest = Math.max(newest, number);
      if (await this.#recoverSegment(join(this.#directory.wal, name), report)) oldest ??= number;
    }
    this.#watermark = oldest === undefined ? newest : oldest - 1;
    await this.#openSegment(newest + 1);
    this.#startFlush();
  }

  async #attachMeta(report: (line: string) => void): Promise<void> {
    const file = this.#directory.metaFile;
    const attach = () => attachMeta(this.#flushConnection, file);
    try {
      await attach();
    } catch (error) {
      if (isNoDamage(error)) throw cannotOpen(file, error as Error);
      const target = this.#directory.setAsideDatabase(file);
      report(`${file} cannot be read and was set aside as ${target}: ${(error as Error).message}`);
      await attach();
    }
  }

  /** Gives whether the segment holds spans. */
  async #recoverSegment(file: string, report: (line: string) => void): Promise<boolean> {
    let content: ReturnType<typeof readSegment>;
    try {
      content = readSegment(file);
    } catch (error) {
      const target = this.#directory.setAside(file);
      report(`log segment ${file} was set aside as ${target}: ${(error as Error).message}`);
      return false;
    }
    for (const { offset, bytes } of content.damaged) {
      const target = this.#directory.keepDamaged(`${segmentFileName(content.header.number)}-${offset}`, bytes);
      report(`log segment ${file}: ${bytes.length} bytes at ${offset} are damaged; they were set aside as ${target}`);
    }
    if (content.tornBytes > 0) {
      this.#events.report(
        `log segment ${file}: the last ${content.tornBytes} bytes are an unfinished write, never acknowledged; ignored`,
      );
    }
    const { header, records } = content;
    if (header.firstSequence > this.#nextSequence) this.#nextSequence = header.firstSequence;
    if (records.length === 0) {
      unlinkSync(file);
      return false;
    }
    const bytes = records.reduce((sum, record) => sum + record.body.length, 0);
    const table = await Segment.prepareTable(this.#hotConnection, header.number);
    const segment = Segment.create(table, header, () => ({ file, bytes }), performance.now());
    this.#segments.push(segment);
    for (const record of records) {
      const prepared = this.#prepare(record.meta, record.body, segment, record.sequence);
      if ('status' in prepared) {
        const target = this.#directory.keepDamaged(`${segmentFileName(header.number)}-record`, record.body);
        report(`log segment ${file}: a request cannot be decoded any more and was set aside as ${target}`);
        continue;
      }
      this.#memory.remember(prepared.digest, prepared.answer, record.meta.at);
      segment.insert(prepared.rows);
      this.#counts.spans_recovered_total += prepared.rows.length;
    }
    segment.seal();
    return true;
  }

  // ---- writing

  /** Segments that are closed and wait for their flush. */
  get #waitingSegments(): number {
    return this.#segments.length - 1;
  }

  get #hotBytes(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.hotBytes, 0);
  }

  get #maxHotBytes(): number {
    return this.#config.memoryLimitMb * 2 ** 20 * HOT_SHARE;
  }

  get #logBytes(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.logBytes, 0);
  }

  #diskIsFull(): boolean {
    const { bavail, bsize } = statfsSync(this.#directory.root);
    return bavail * bsize < this.#config.minFreeBytes;
  }

  #overload(): string | undefined {
    const waiting = this.#waitingSegments;
    if (waiting > this.#config.maxWaitingSegments) return `${waiting} segments wait to be written to their day files`;
    const bytes = this.#logBytes;
    if (bytes > this.#config.maxLogBytes) return `${bytes} bytes of the log wait to be written to their day files`;
    // What is hot must not take the memory that a flush needs to make an end of it.
    const hot = this.#hotBytes;
    if (hot > this.#maxHotBytes) return `${hot} bytes of memory wait to be written to their day files`;
    return undefined;
  }

  /**
   * Takes requests as one group: one write and one sync for all of them. `acknowledge` is called once for each, after the sync; when this
   * resolves, what was acknowledged as stored is visible, and it is before anything else in this thread can run.
   */
  async ingest(
    requests: readonly IngestRequest[],
    acknowledge: (index: number, result: IngestResult) => void,
  ): Promise<void> {
    await this.#rollIfDue();
    const overload = this.#overload();
    const active = this.#segments.at(-1)!;
    const log = active.log;
    const problem = this.#writeObstacle();
    const now = Date.now();
    /** Answers that wait for the sync, by place in `requests`. */
    const waiting: { index: number; answer: RememberedAnswer }[] = [];
    const prepared: PreparedRequest[] = [];
    const inGroup = new Map<string, RememberedAnswer>();
    for (const [index, request] of requests.entries()) {
      this.#counts.requests_total += 1;
      if (overload !== undefined || problem !== undefined || log === undefined) {
        acknowledge(index, problem === undefined ? overloaded(overload ?? '') : unavailable(problem));
        continue;
      }
      const meta: RecordMeta = {
        f: request.format,
        ...(request.tenantId === undefined ? {} : { t: request.tenantId }),
        ...(request.projectName === undefined ? {} : { p: request.projectName }),
        at: now,
      };
      const digest = requestDigest(meta, request.body);
      const known = inGroup.get(digest) ?? this.#memory.recall(digest, now);
      if (known !== undefined) {
        this.#counts.request_duplicates_total += 1;
        waiting.push({ index, answer: asDuplicate(known) });
        continue;
      }
      const result = this.#prepare(meta, request.body, active, this.#nextSequence, digest);
      if ('status' in result) {
        acknowledge(index, result);
        continue;
      }
      inGroup.set(digest, result.answer);
      waiting.push({ index, answer: result.answer });
      // All of it refused, or known: nothing needs to be logged.
      if (result.rows.length > 0) prepared.push(result);
    }
    if (prepared.length > 0 && log !== undefined && !this.#write(active, log, prepared)) {
      for (const { index } of waiting) acknowledge(index, unavailable(this.#writeProblem ?? ''));
      return;
    }
    phase('acknowledge');
    for (const { index, answer } of waiting) {
      this.#count(answer);
      acknowledge(index, { status: 'stored', ...answer });
    }
    for (const [digest, answer] of inGroup) this.#memory.remember(digest, answer, now);
    if (prepared.length > 0) {
      phase('insert');
      active.insert(prepared.flatMap(({ rows }) => rows));
    }
    await this.#rollIfDue();
  }

  #count(answer: RememberedAnswer): void {
    this.#counts.spans_accepted_total += answer.acceptedSpans;
    this.#counts.spans_rejected_total += answer.rejectedSpans;
    for (const { duplicate } of answer.tenants) this.#counts.spans_duplicate_total += duplicate;
  }

  /** Why nothing can be written to the log now. */
  #writeObstacle(): string | undefined {
    if (this.#activeIsSuspect) return this.#writeProblem ?? 'the log cannot be written to';
    if (!this.#diskIsFull()) return undefined;
    this.#setWriteProblem('the disk is nearly full');
    return this.#writeProblem;
  }

  #setWriteProblem(problem: string | undefined, detail = problem): void {
    if (problem === this.#writeProblem) return;
    if (problem === undefined) this.#events.report('the log can be written to again');
    else if (this.#writeProblem === undefined) this.#events.report(`the log cannot be written to: ${detail}`);
    this.#writeProblem = problem;
    const reason = problem ?? '';
    this.#health = problem === undefined ? READY : { ready: false, reason };
    this.#events.health(this.#health);
  }

  /** Decodes a request and decides on its spans. Their identities are taken at once; `#forget` gives them back. */
  #prepare(
    meta: RecordMeta,
    body: Uint8Array,
    segment: Segment,
    sequence: bigint,
    digest = requestDigest(meta, body),
  ): PreparedRequest | IngestResult {
    let admission: ReturnType<typeof admitSpans>;
    try {
      const traces = meta.f === 'protobuf' ? decodeTraces(body) : decodeTracesJson(body);
      admission = admitSpans(traces, { tenantId: meta.t, projectName: meta.p }, this.#deleting);
    } catch (error) {
      if (!(error instanceof OtlpDecodeError)) throw error;
      return { status: 'invalid', code: error.code, message: error.message };
    }
    const rows: SpanRow[] = [];
    const tenants = new Map<string | null, { accepted: number; rejected: number; duplicate: number }>();
    const countsOf = (tenantId: string | null) => {
      let counts = tenants.get(tenantId);
      if (counts === undefined) {
        counts = { accepted: 0, rejected: 0, duplicate: 0 };
        tenants.set(tenantId, counts);
      }
      return counts;
    };
    for (const { project, span, origin, index } of admission.admitted) {
      const row: SpanRow = {
        project: this.#projectKey(project),
        span,
        origin,
        sequence: sequence + BigInt(index),
        day: dayOfSpan(span.startTimeUnixNano, segment.header.referenceDay),
      };
      const counts = countsOf(project.tenantId);
      counts.accepted += 1;
      const identity = spanIdentity(row);
      if (this.#segments.some(({ identities }) => identities.has(identity))) {
        counts.duplicate += 1;
        continue;
      }
      segment.identities.add(identity);
      this.#compare(row, segment);
      rows.push(row);
    }
    for (const { tenantId } of admission.rejected) countsOf(tenantId).rejected += 1;
    const next = sequence + BigInt(admission.total);
    if (next > this.#nextSequence) this.#nextSequence = next;
    if (next - 1n > segment.lastSequence) segment.lastSequence = next - 1n;
    return {
      digest,
      // What is refused for its tenant's deletion must not reach the log either.
      record:
        admission.kept === undefined
          ? { sequence, meta, body }
          : { sequence, meta: { ...meta, f: 'protobuf' }, body: encodeTraces(admission.kept) },
      rows,
      answer: {
        acceptedSpans: admission.admitted.length,
        rejectedSpans: admission.rejected.length,
        message: rejectionMessage(admission.rejected),
        tenants: [...tenants].map(([tenantId, counts]): TenantIngestCounts => ({ tenantId, ...counts })),
      },
    };
  }

  /** Notes of a row what is to be compared with its day file, which is nearly never anything. */
  #compare(row: SpanRow, segment: Segment): void {
    let known = this.#known.get(row.day);
    if (known === undefined) {
      known = new KnownSpans(this.#days.get(row.day) === undefined);
      this.#known.set(row.day, known);
      if (this.#known.size > MAX_KNOWN_DAYS) this.#known.delete(this.#known.keys().next().value!);
    }
    const mayBeKnown = known.addAndTell(row.span.traceId, row.span.spanId);
    if (known.isComplete) {
      if (mayBeKnown) segment.doubt(row);
      return;
    }
    segment.unchecked.add(row.day);
    if (this.#isOpen && !this.#loadingKnown.has(known)) this.#loadKnown(row.day, known);
  }

  /** Reads the ids of a day file's spans, some at a time. What is flushed meanwhile was added when it came. */
  #loadKnown(day: number, known: KnownSpans): void {
    const load = async () => {
      const file = this.#days.get(day);
      if (file === undefined) return known.complete();
      const { catalog } = file;
      // Rows may get another segment meanwhile, but never another sequence.
      const segments = await this.query(`SELECT min(seq), max(seq) FROM ${catalog}.spans GROUP BY seg`);
      for (const [first, last] of segments as [bigint, bigint][]) {
        for (let from = first; from <= last; from += BigInt(KNOWN_PAGE)) {
          if (this.#closing) return;
          const rows = await this.query(
            `SELECT lower(hex(trace_id)), lower(hex(span_id)) FROM ${catalog}.spans
             WHERE seq BETWEEN ${from} AND ${from + BigInt(KNOWN_PAGE - 1)}`,
          );
          for (const [traceId, spanId] of rows as [string, string][]) known.addAndTell(traceId, spanId);
        }
      }
      known.complete();
    };
    const loading = load()
      .catch((error: unknown) => {
        // Without it rows are compared one by one, as before; the next span of the day tries again.
        if (!this.#closing) this.#events.report(`the spans of a day file could not be listed: ${String(error)}`);
      })
      .finally(() => this.#loadingKnown.delete(known));
    this.#loadingKnown.set(known, loading);
  }

  /** Looks up the rows in doubt. Errors: those of `query`. */
  async #settleDoubts(): Promise<void> {
    for (const segment of this.#segments) {
      if (segment.doubts.size === 0) continue;
      const rows = [...segment.doubts.values()];
      const stored = new Set<string>();
      for (const day of new Set(rows.map((row) => row.day))) {
        const file = this.#days.get(day);
        if (file === undefined) continue;
        const ofDay = rows.filter((row) => row.day === day);
        const list = (ids: string[]) => [...new Set(ids)].map((id) => `from_hex('${id}')`).join(', ');
        const found = await this.query(
          `SELECT project_key, lower(hex(trace_id)), lower(hex(span_id)) FROM ${file.catalog}.spans
           WHERE seg <= ${this.#watermark} AND trace_id IN (${list(ofDay.map(({ span }) => span.traceId))})
             AND span_id IN (${list(ofDay.map(({ span }) => span.spanId))})`,
        );
        for (const [key, traceId, spanId] of found as [bigint, string, string][])
          stored.add(`${day}:${key}:${traceId}${spanId}`);
      }
      for (const row of rows) segment.settle(row.sequence, stored.has(`${row.day}:${spanIdentity(row)}`));
    }
  }

  #projectKey(project: ProjectRef): ProjectKey {
    const name = JSON.stringify([project.tenantId, project.name]);
    let key = this.#projectKeys.get(name);
    if (key === undefined) {
      if (this.#projectKeys.size >= MAX_PROJECT_KEYS) this.#projectKeys.clear();
      key = projectKey(project);
      this.#projectKeys.set(name, key);
    }
    return key;
  }

  /** Gives whether all of it is durable; if not, none of it counts. */
  #write(segment: Segment, log: LogSegment, prepared: readonly PreparedRequest[]): boolean {
    const before = log.length;
    try {
      phase('append');
      log.append(prepared.map(({ record }) => record));
      phase('sync');
      log.sync();
    } catch (error) {
      for (const { rows } of prepared) for (const row of rows) segment.identities.delete(spanIdentity(row));
      this.#writeFailed(log, before, error as Error);
      return false;
    }
    this.#counts.log_syncs_total += 1;
    this.#counts.log_bytes_written_total += log.length - before;
    segment.logBytes = log.length;
    this.#setWriteProblem(undefined);
    return true;
  }

  #writeFailed(log: LogSegment, length: number, error: Error): void {
    this.#setWriteProblem(
      `the log cannot be written to (${(error as NodeJS.ErrnoException).code ?? 'error'})`,
      error.message,
    );
    // After a failed sync nobody knows what is on disk, so this segment takes no more; what was synced before stays valid.
    this.#activeIsSuspect = true;
    try {
      log.truncate(length);
    } catch (truncateError) {
      this.#events.report(`the log could not be cut back: ${(truncateError as Error).message}`);
    }
    this.#probeAt = performance.now() + PROBE_MILLIS;
  }

  // ---- segments

  #isDue(): boolean {
    const active = this.#segments.at(-1)!;
    if (this.#activeIsSuspect) return performance.now() >= this.#probeAt;
    if (active.spans === 0) return false;
    return (
      this.#rollWanted ||
      active.spans >= this.#config.segmentMaxSpans ||
      active.logBytes >= this.#config.segmentMaxBytes ||
      active.hotBytes >= this.#maxHotBytes * SEGMENT_SHARE ||
      performance.now() - active.openedAt >= this.#config.segmentMaxAgeMillis
    );
  }

  /** Called after each group and from time to time; never twice at once. */
  async #rollIfDue(): Promise<void> {
    if (this.#closing || !this.#isDue()) return;
    await this.#roll();
  }

  /** Closes segments that are old enough, and looks whether the log can be written to again. */
  async tick(): Promise<void> {
    if (this.#writeProblem !== undefined && !this.#activeIsSuspect && !this.#diskIsFull())
      this.#setWriteProblem(undefined);
    await this.#rollIfDue();
    this.#compaction.tick(Date.now());
  }

  async #roll(): Promise<void> {
    const active = this.#segments.at(-1)!;
    phase('roll');
    try {
      await this.#openSegment(active.number + 1);
    } catch (error) {
      this.#setWriteProblem('a new log segment cannot be made', (error as Error).message);
      this.#activeIsSuspect = true;
      this.#probeAt = performance.now() + PROBE_MILLIS;
      return;
    }
    active.seal();
    this.#rollWanted = false;
    if (this.#activeIsSuspect) {
      this.#activeIsSuspect = false;
      this.#setWriteProblem(undefined);
    }
    this.#startFlush();
  }

  async #openSegment(number: number): Promise<void> {
    if (this.#nextTable?.number !== number) {
      this.#nextTable = { number, table: Segment.prepareTable(this.#hotConnection, number) };
    }
    let table: PreparedTable;
    try {
      table = await this.#nextTable.table;
    } catch (error) {
      this.#nextTable = undefined; // the next try makes it anew
      throw error;
    }
    const header = { number, firstSequence: this.#nextSequence, referenceDay: dayOfMillis(Date.now()) };
    const segment = Segment.create(
      table,
      header,
      () => {
        const log = LogSegment.create(this.#directory.wal, header, this.#activeIsSuspect ? PROBE_BYTES : 0);
        return { file: log.file, bytes: 0, segment: log };
      },
      performance.now(),
    );
    this.#segments.push(segment);
    const next = Segment.prepareTable(this.#hotConnection, number + 1);
    next.catch(() => undefined); // who needs the table hears of it
    this.#nextTable = { number: number + 1, table: next };
  }

  #startFlush(): void {
    this.#flushing ??= this.#flushAll().finally(() => {
      this.#flushing = undefined;
    });
  }

  /** Flushes closed segments, oldest first, until none waits; after a failure again and again, with growing pauses. */
  async #flushAll(): Promise<void> {
    let pause = FLUSH_RETRY_MILLIS;
    for (let segment = this.#segments[0]; segment?.isSealed && !this.#stopping; segment = this.#segments[0]) {
      try {
        if (this.#diskIsFull()) throw new Error('the disk is nearly full');
        await this.#inColdTurn(async () => {
          await this.#settleDoubts();
          for (const day of segment.blocks.days) await this.#compaction.changing(day);
          await flushSegment(this.#database, this.#flushConnection, this.#days, segment);
          await this.#noteBlocks(segment);
          await this.#publish(segment);
        });
        this.#settled();
        pause = FLUSH_RETRY_MILLIS;
        if (this.#flushFails) {
          this.#flushFails = false;
          this.#events.report('day files can be written to again');
        }
      } catch (error) {
        this.#counts.flush_failures_total += 1;
        this.#events.report(
          `segment ${segment.number} could not be written to its day files: ${(error as Error).message}`,
        );
        this.#flushFails = true;
        this.#settled(error as Error);
        if (isFatal(error)) this.#events.fatal(error);
        if (this.#closing) return; // the log keeps it
        await this.#pause(pause);
        pause = Math.min(pause * 2, FLUSH_RETRY_MAX_MILLIS);
      }
    }
  }

  async #noteBlocks({ number, blocks }: Segment): Promise<void> {
    for (const day of blocks.days) await this.#blocks.note(day, number, blocks);
  }

  #inColdTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#coldTurn.then(work);
    this.#coldTurn = turn.then(
      () => undefined,
      () => undefined, // its caller hears of it; the next one has its turn all the same
    );
    return turn;
  }

  /**
   * Resolves when all spans that are acknowledged by now are in day files and the log of them is gone.
   * Errors: `BackendUnavailableError` when that fails, or the store stops; what was acknowledged is in the log all the same.
   */
  settle(): Promise<void> {
    const active = this.#segments.at(-1)!;
    const hasRecords = active.spans > 0 || active.logBytes > 0 || this.#activeIsSuspect;
    const number = hasRecords ? active.number : active.number - 1;
    if ((this.#segments[0]?.number ?? 0) > number) return Promise.resolve();
    if (this.#stopping) return Promise.reject(new BackendUnavailableError('The store is stopping.'));
    this.#rollWanted ||= hasRecords;
    return new Promise((resolve, reject) => this.#settling.add({ number, resolve, reject }));
  }

  /** Tells those who wait how far the day files have got, or that they have not. */
  #settled(failure?: Error): void {
    for (const waiting of this.#settling) {
      if (failure === undefined && waiting.number >= this.#segments[0]!.number) continue;
      this.#settling.delete(waiting);
      if (failure === undefined) waiting.resolve();
      else {
        const message =
          'What was acknowledged cannot be written to the day files at present; it is in the log. Try again later.';
        waiting.reject(new BackendUnavailableError(message, { cause: failure }));
      }
    }
  }

  /** Refuses what the tenant sends, until `accept`. */
  refuse(tenant: string | null): void {
    this.#deleting.add(tenant);
  }

  /** The tenant begins anew. */
  accept(tenant: string | null): void {
    this.#memory.forgetTenant(tenant);
    this.#deleting.delete(tenant);
  }

  /** Of the next span that comes. */
  get nextSequence(): bigint {
    return this.#nextSequence;
  }

  /** Whether the tenant is being deleted. */
  isBeingDeleted(tenant: string | null): boolean {
    return this.#deleting.has(tenant);
  }

  #pause(millis: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, millis);
      this.#wakeFlush = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** From here reads find the segment's rows in the day files. */
  async #publish(segment: Segment): Promise<void> {
    phase('publish');
    this.#watermark = segment.number;
    this.#segments.shift();
    this.#counts.flushes_total += 1;
    const unused = segment.retire();
    phase('unlink');
    this.#keepLog?.({ file: segment.logFile, length: undefined });
    unlinkSync(segment.logFile);
    if (unused) await this.#drop(segment);
  }

  async #drop(segment: Segment): Promise<void> {
    await this.#hotConnection.run(`DROP TABLE ${segment.table}`);
  }

  // ---- reading

  /** Runs one statement. Errors: `BackendUnavailableError`. */
  query(sql: string, parameters?: SqlParameters): Promise<SqlRows> {
    return this.#database.query(sql, parameters);
  }

  /** Blocks of a project in a day file, in no order, with what they hold if asked for; they may be of segments past a snapshot's watermark. */
  blocksOf(file: DayFile, projectKey: bigint, filled: boolean): Promise<readonly StoredBlock[]> {
    return this.#blocks.of(file, projectKey, filled, (sql) => this.query(sql));
  }

  /** Whether it costs nothing to know what the blocks hold. */
  hasFilledBlocks(file: DayFile, projectKey: bigint): boolean {
    return this.#blocks.isFilled(file, projectKey);
  }

  /** All projects that have spans, in no order. */
  async projects(): Promise<ProjectKey[]> {
    const projects = new Map<string, ProjectKey>();
    // The hot ones first: what is flushed meanwhile is in the day files by then.
    const hot = [...this.#segments];
    for (const { blocks } of hot) for (const [id, project] of blocks.projects) projects.set(id, project);
    for (const file of this.#days.all()) {
      const known = await this.#blocks.projectsOf(file, (sql) => this.query(sql));
      for (const [id, project] of known) projects.set(id, project);
    }
    return [...projects.values()];
  }

  /** Runs `work` while no query runs: see `Database.exclusive`. */
  exclusive(work: () => Promise<void>): Promise<void> {
    return this.#database.exclusive(work);
  }

  /** What `fn` reads through the snapshot stays readable and unchanged until it settles. */
  async withSnapshot<T>(fn: (snapshot: Snapshot) => Promise<T>): Promise<T> {
    if (this.#segments.some(({ doubts }) => doubts.size > 0)) await this.#settleDoubts();
    while (this.#noSnapshots !== undefined) await this.#noSnapshots;
    this.#snapshots += 1;
    const segments = [...this.#segments];
    for (const segment of segments) segment.hold();
    const hot = segments.map((segment) => segment.view());
    const snapshot = new Snapshot(this.#watermark, hot, this.#days.all(), this.#nextSequence);
    try {
      return await fn(snapshot);
    } finally {
      this.#snapshots -= 1;
      if (this.#snapshots === 0) this.#whenNoSnapshot?.();
      for (const segment of segments) if (segment.letGo()) await this.#drop(segment);
    }
  }

  /** See `CompactionHost`; called in a cold turn, so never twice at once. */
  async #withoutSnapshots(patienceMillis: number, work: () => Promise<void>): Promise<boolean> {
    let admit: (() => void) | undefined;
    this.#noSnapshots = new Promise((resolve) => {
      admit = resolve;
    });
    try {
      if (this.#snapshots > 0) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, patienceMillis);
          this.#whenNoSnapshot = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      if (this.#snapshots > 0) return false;
      await work();
      return true;
    } finally {
      this.#whenNoSnapshot = undefined;
      this.#noSnapshots = undefined;
      admit?.();
    }
  }

  /**
   * Runs `fn` over the spans of one project, or of several, that start in the range, and fulfil the condition if there is one.
   *
   * `source` is a SELECT to stand in brackets after FROM; it uses values bound in `sql`, so the statement is run with `run(text)`.
   * Errors: `InvalidQueryError` for a condition that cannot be read, or over more than `MAX_CONDITION_PROJECTS`.
   */
  withSpans<T>(
    projects: SomeProjects,
    range: NanosRange,
    fn: (spans: { source: string; sql: SqlBuilder; run: (statement: string) => Promise<SqlRows> }) => Promise<T>,
    condition?: string,
  ): Promise<T> {
    const sql = new SqlBuilder();
    return this.withSnapshot(async (snapshot) => {
      const ofOne = (project: ProjectRef) => {
        const key = projectKey(project);
        const fulfils = condition === undefined ? 'true' : spanConditionOf(snapshot, key, range, condition, sql).sql;
        return `SELECT * FROM (${snapshot.source({ projectKey: key.key, range })}) WHERE ${projectCondition(project, sql)} AND ${fulfils}`;
      };
      const ofTenant = (bound: SqlBuilder) =>
        `SELECT * FROM (${snapshot.source({ range })}) WHERE ${tenantCondition(projects.tenantId, bound)}`;
      let source: string;
      if (isProject(projects)) source = ofOne(projects);
      else if (condition === undefined) source = ofTenant(sql);
      else {
        // What a condition says of traces and annotations is about one project.
        const asked = new SqlBuilder();
        const rows = await this.query(`SELECT DISTINCT tenant_id, project FROM (${ofTenant(asked)})`, asked.parameters);
        if (rows.length > MAX_CONDITION_PROJECTS) {
          throw new InvalidQueryError(
            `The condition is over ${rows.length} projects; at most ${MAX_CONDITION_PROJECTS} are allowed. Name a project, or a shorter range.`,
          );
        }
        const found = rows.map(([tenantId, name]) => ({ tenantId, name }) as ProjectRef);
        // Without any project the condition is read all the same: a wrong one is told.
        if (found.length === 0) found.push({ tenantId: projects.tenantId ?? null, name: '' });
        source = found.map(ofOne).join(' UNION ALL BY NAME ');
      }
      return fn({ source, sql, run: (statement) => this.query(statement, sql.parameters) });
    });
  }

  /** A connection of the caller's own; annotations, data sets and experiments are in its attached database `meta`. Closed by the caller. */
  metaConnection(): Promise<DuckDBConnection> {
    return this.#database.connect();
  }

  /** Only a new start from the log helps. */
  fatal(error: unknown): void {
    this.#events.fatal(error);
  }

  prepareMetaLog(): void {
    prepareLogOf(this.#directory.metaFile);
  }

  // ---- state

  get health(): StoreHealth {
    return this.#health;
  }

  figures(): Record<string, number> {
    return {
      ...this.#counts,
      hot_spans: this.#segments.reduce((sum, segment) => sum + segment.spans, 0),
      hot_bytes: this.#hotBytes,
      waiting_segments: this.#waitingSegments,
      log_bytes: this.#logBytes,
      day_files: this.#days.all().length,
      waiting_queries: this.#database.waitingQueries,
      write_failing: this.#writeProblem === undefined ? 0 : 1,
      flush_failing: this.#flushFails ? 1 : 0,
      next_sequence: Number(this.#nextSequence),
      ...this.#compaction.figures(),
    };
  }

  /** Stops the statements that run; they fail. */
  interrupt(): void {
    this.#stopping = true;
    this.#settled(new Error('the store is stopping'));
    this.#database.interrupt();
    this.#flushConnection.interrupt();
    this.#compaction.interrupt();
  }

  /** Starts nothing more. Resolves when no flush runs; what is not flushed stays in the log. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#closing = true;
    this.#settled(new Error('the store is stopping'));
    this.#wakeFlush?.();
    await this.#compaction.stop();
    await this.#flushing;
    await this.#tableThatWaits();
    await Promise.all(this.#loadingKnown.values());
  }

  /** The table of the segment to come, if one could be made. */
  async #tableThatWaits(): Promise<PreparedTable | undefined> {
    return this.#nextTable?.table.catch(() => undefined);
  }

  /** Called after `stop`, when no call runs any more, for a database that can only be opened anew. What is not flushed stays in the log. */
  async abandon(): Promise<void> {
    for (const segment of this.#segments) segment.abandon();
    (await this.#tableThatWaits())?.appender.closeSync();
    this.#hotConnection.closeSync();
    this.#flushConnection.closeSync();
    this.#database.close();
  }

  /** Called when no request and no query runs any more. What cannot be flushed stays in the log. */
  async close(): Promise<void> {
    // The empty segment that follows stays, for the sequence that goes on in it.
    if (this.#segments.at(-1)!.spans > 0) await this.#roll();
    this.#closing = true;
    this.#wakeFlush?.();
    await this.#compaction.stop();
    await this.#flushing;
    await Promise.all(this.#loadingKnown.values());
    for (const segment of this.#segments) segment.seal();
    (await this.#tableThatWaits())?.appender.closeSync();
    await this.#flushConnection.run('CHECKPOINT meta');
    this.#hotConnection.closeSync();
    this.#flushConnection.closeSync();
    this.#database.close();
  }
}

function overloaded(message: string): IngestResult {
  return { status: 'overloaded', retryAfterMillis: RETRY_OVERLOADED_MILLIS, message };
}

function unavailable(message: string): IngestResult {
  return { status: 'unavailable', retryAfterMillis: RETRY_UNAVAILABLE_MILLIS, message };
}

function asDuplicate(answer: RememberedAnswer): RememberedAnswer {
  return { ...answer, tenants: answer.tenants.map((counts) => ({ ...counts, duplicate: counts.accepted })) };
}
