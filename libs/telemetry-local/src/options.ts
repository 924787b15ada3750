/**
 * Options of the embedded store.   Control path.
 */
import { ConfigurationError } from '@cogniverse/foundation/store';
import { z } from 'zod';

const MIB = 1024 * 1024;

/** Each option with its meaning and unit, from which the documentation is written too. */
export const localStoreSchema = z.strictObject({
  dataDir: z.string().min(1).meta({
    meaning: 'Directory of the store; made when it is missing, with mode 0700. One process may have it open.',
  }),
  memoryLimitMb: z.int().min(128).default(1024).meta({
    unit: 'MiB',
    meaning:
      "Memory that DuckDB may take; the log's buffers and JavaScript come on top. Spans that wait for their flush may take two fifths of it; more, and requests are answered with `overloaded`.",
  }),
  threads: z.int().positive().max(64).default(2).meta({ meaning: 'Threads that DuckDB may use.' }),
  segmentMaxSpans: z
    .int()
    .positive()
    .default(50_000)
    .meta({ unit: 'spans', meaning: 'Spans after which a segment is closed and flushed to its day files.' }),
  segmentMaxBytes: z
    .int()
    .positive()
    .default(64 * MIB)
    .meta({ unit: 'bytes', meaning: 'Bytes of the log after which a segment is closed and flushed.' }),
  segmentMaxAgeMillis: z
    .int()
    .positive()
    .default(30_000)
    .meta({ unit: 'ms', meaning: 'Age at which a segment that holds spans is closed and flushed.' }),
  maxWaitingSegments: z.int().positive().default(3).meta({
    unit: 'segments',
    meaning: 'Closed segments that may wait for their flush. More, and requests are answered with `overloaded`.',
  }),
  maxLogBytes: z
    .int()
    .positive()
    .default(512 * MIB)
    .meta({
      unit: 'bytes',
      meaning: 'Bytes of the log that may wait for their flush. More, and requests are answered with `overloaded`.',
    }),
  minFreeBytes: z
    .int()
    .nonnegative()
    .default(64 * MIB)
    .meta({
      unit: 'bytes',
      meaning:
        'Free space of the disk, below which nothing is taken in and nothing flushed: a database that runs out of disk is worse.',
    }),
  maxPendingBytes: z
    .int()
    .positive()
    .default(128 * MIB)
    .meta({
      unit: 'bytes',
      meaning:
        "Bytes of requests that may wait for the store's thread. More, and requests are answered with `overloaded`.",
    }),
  maxConcurrentQueries: z
    .int()
    .positive()
    .max(16)
    .default(3)
    .meta({ meaning: "Queries that run at the same time; others wait. Each holds one thread of libuv's pool." }),
  maxWaitingQueries: z
    .int()
    .positive()
    .default(256)
    .meta({ meaning: 'Queries that may wait for their turn. More are refused.' }),
  queryTimeoutMillis: z.int().positive().default(15_000).meta({ unit: 'ms', meaning: 'Longest time a query may run.' }),
  retentionDays: z.int().nonnegative().max(36_500).default(0).meta({
    unit: 'days',
    meaning:
      'Days after its start that a span is kept, in projects that have no retention of their own; 0 is for ever. Spans go by whole UTC days.',
  }),
  retentionSweepMillis: z
    .int()
    .positive()
    .default(3_600_000)
    .meta({ unit: 'ms', meaning: 'How often spans past their retention are removed; also at start.' }),
  compactAfterMillis: z.int().nonnegative().default(60_000).meta({
    unit: 'ms',
    meaning:
      'How long nothing must have come for a UTC day that is over, before its file is written anew in the order of projects and time, which makes it smaller and quicker to read. 0: never.',
  }),
  requestMemoryMillis: z
    .int()
    .positive()
    .default(600_000)
    .meta({ unit: 'ms', meaning: 'How long an identical request is recognised.' }),
  requestMemoryEntries: z
    .int()
    .positive()
    .default(50_000)
    .meta({ meaning: 'How many requests are remembered for that.' }),
});

/** What code reads: everything set. */
export type LocalStoreConfig = z.output<typeof localStoreSchema>;
/** What a user writes. */
export type LocalStoreOptions = z.input<typeof localStoreSchema>;

/** Errors: `ConfigurationError` naming each field that cannot be used. */
export function parseLocalStoreOptions(options: LocalStoreOptions): LocalStoreConfig {
  const parsed = localStoreSchema.safeParse(options);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) =>
    issue.code === 'unrecognized_keys'
      ? `${issue.keys.map((key) => `"${key}"`).join(', ')} is not known; give one of ${Object.keys(
          localStoreSchema.shape,
        )
          .filter((key) => !(key in options))
          .join(', ')}`
      : `${issue.path.join('.') || 'options'}: ${issue.message}`,
  );
  throw new ConfigurationError(
    `The options of the embedded store cannot be used: ${problems.join('; ')}. Correct them, or leave them out.`,
  );
}
