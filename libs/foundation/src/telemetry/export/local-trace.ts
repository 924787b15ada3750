/** What the spans of one trace in this process share.   Write path: span() -> [local-trace] -> router. */
import type { TraceState } from '@opentelemetry/api';
import type { TenantProject } from './tenant-project.js';
import type { HeldSpan } from './tenant-router.js';

export class LocalTrace {
  readonly traceId: string;
  readonly traceState: TraceState | undefined;
  /** Its spans' times count on from here. See `SpanClock`. */
  readonly anchor: bigint;
  /** The tenant's project: that of its first span, or of what was assigned to it later. Fixed once set. */
  project: TenantProject | undefined;
  /** Of an inbound request: holds also where a listener runs in a context from before the session was known. A context's own comes first. */
  sessionId: string | undefined;
  /** The local root ended without a tenant. */
  settled = false;
  /** Its tenant is one whose spans are not recorded. */
  discarded = false;
  startedUnassigned = 0;
  held: Set<HeldSpan> | undefined;

  constructor(traceId: string, traceState: TraceState | undefined, anchor: bigint, project: TenantProject | undefined) {
    this.traceId = traceId;
    this.traceState = traceState;
    this.anchor = anchor;
    this.project = project;
  }
}
