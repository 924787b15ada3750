/**
 * A store that also takes spans in: what `cogniverse serve` stands in front of.   Server -> [TelemetryStore].
 *
 * The server knows no database: all it asks is here. The embedded store is the first implementation.
 */
import type { AnnotationCalls } from './annotation-calls.js';
import type { DatasetCalls } from './dataset-calls.js';
import type { DeletionCalls } from './deletion-calls.js';
import type { ExperimentCalls } from './experiment-calls.js';
import type { IngestRequest, IngestResult, StoreFigures, StoreHealth } from './ingest.js';
import type { ProjectCalls } from './project-calls.js';
import type { SessionCalls } from './session-calls.js';
import type { SpanCalls } from './span-calls.js';
import type { UpkeepCalls } from './upkeep-calls.js';

/** What is asked of a store: each call takes one request and gives a promise; `STORE_OPERATIONS` has the route of each. */
export interface StoreCalls
  extends SpanCalls,
    ProjectCalls,
    SessionCalls,
    AnnotationCalls,
    DatasetCalls,
    ExperimentCalls,
    DeletionCalls,
    UpkeepCalls {
  figures(request?: object): Promise<StoreFigures>;
}

export interface TelemetryStore extends StoreCalls {
  /** Decodes, validates, appends and syncs. Resolved with `stored` means durable and visible to every read that begins now. Never rejects for bad input. */
  ingest(request: IngestRequest): Promise<IngestResult>;
  health(): StoreHealth;
  /** Finishes what is under way, flushes, releases the lock. */
  shutdown(): Promise<void>;
}
