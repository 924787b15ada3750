/**
 * Options of the embedded store.   Control path.
 */
import { ConfigurationError } from '@cogniverse/foundation/telemetry';
import { z } from 'zod';

const MIB = 1024 * 1024;

export const localStoreSchema = z.strictObject({
  /** Directory of the store; made when it is missing, with mode 0700. One process may have it open. */
  dataDir: z.string().min(1),
  /** Memory that DuckDB may take, in MiB; the log's buffers and JavaScript come on top. */
  memoryLimitMb: z.int().min(64).default(1024),
  /** Threads that DuckDB may use. */
  threads: z.int().positive().max(64).default(2),
  /** Spans after which a segment is closed and flushed to its day files. */
  segmentMaxSpans: z.int().positive().default(50_000),
  /** Bytes of the log after which a segment is closed and flushed. */
  segmentMaxBytes: z
    .int()
    .positive()
    .default(64 * MIB),
  /** Age at which a segment that holds spans is closed and flushed, in milliseconds. */
  segmentMaxAgeMillis: z.int().positive().default(30_000),
  /** Closed segments that may wait for their flush. More, and requests are answered with `overloaded`. */
  maxWaitingSegments: z.int().positive().default(3),
  /** Bytes of the log that may wait for their flush. More, and requests are answered with `overloaded`. */
  maxLogBytes: z
    .int()
    .positive()
    .default(512 * MIB),
  /** Free space of the disk, in bytes, below which nothing is taken in and nothing flushed: a database that runs out of disk is worse. */
  minFreeBytes: z
    .int()
    .nonnegative()
    .default(64 * MIB),
  /** Bytes of requests that may wait for the store's thread. More, and requests are answered with `overloaded`. */
  maxPendingBytes: z
    .int()
    .positive()
    .default(128 * MIB),
  /** Queries that run at the same time; others wait. Each holds one thread of libuv's pool. */
  maxConcurrentQueries: z.int().positive().max(16).default(3),
  /** Queries that may wait for their turn. More are refused. */
  maxWaitingQueries: z.int().positive().default(256),
  /** Longest time a query may run, in milliseconds. */
  queryTimeoutMillis: z.int().positive().default(15_000),
  /** How long an identical request is recognised, in milliseconds. */
  requestMemoryMillis: z.int().positive().default(600_000),
  /** How many requests are remembered for that. */
  requestMemoryEntries: z.int().positive().default(50_000),
});

/** What code reads: everything set. */
export type LocalStoreConfig = z.output<typeof localStoreSchema>;
/** What a user writes. */
export type LocalStoreOptions = z.input<typeof localStoreSchema>;

/** Errors: `ConfigurationError` naming each field that cannot be used. */
export function parseLocalStoreOptions(options: LocalStoreOptions): LocalStoreConfig {
  const parsed = localStoreSchema.safeParse(options);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'options'}: ${issue.message}`);
  throw new ConfigurationError(
    `The options of the embedded store cannot be used: ${problems.join('; ')}. Correct them, or leave them out.`,
  );
}
