/** What goes into a store, and how it fares.   Server -> [ingest] -> store. */

export interface IngestRequest {
  /** The decompressed body. The store takes ownership: the caller does not touch it again. */
  readonly body: Uint8Array;
  readonly format: 'protobuf' | 'json';
  /** The tenant of the caller's key. A span that names another is rejected (`tenant_mismatch`). */
  readonly tenantId?: string | undefined;
  /** From the header `x-project-name`; a project named by the resource wins. */
  readonly projectName?: string | undefined;
}

/** Spans of one tenant in one request. */
export interface TenantIngestCounts {
  readonly tenantId: string | null;
  readonly accepted: number;
  readonly rejected: number;
  /** Among the accepted: spans that the store held already. They are acknowledged and stored once. Known duplicates only. */
  readonly duplicate: number;
}

export type IngestResult =
  /** On disk and synced. `rejectedSpans` were refused for the reasons in `message`. */
  | {
      readonly status: 'stored';
      readonly acceptedSpans: number;
      readonly rejectedSpans: number;
      readonly message: string;
      readonly tenants: readonly TenantIngestCounts[];
    }
  /** The body is no OTLP, or breaks a limit. Nothing was stored. */
  | { readonly status: 'invalid'; readonly code: 'malformed' | 'too_many_elements'; readonly message: string }
  /** Nothing was stored; the same request may come again. */
  | { readonly status: 'overloaded'; readonly retryAfterMillis: number; readonly message: string }
  | { readonly status: 'unavailable'; readonly retryAfterMillis: number; readonly message: string };

export interface StoreHealth {
  readonly ready: boolean;
  /** Why not, in one line; empty when ready. */
  readonly reason: string;
}

/** Figures of the store for `/metrics` and `stats`; flat, numbers only. Names are snake_case Prometheus names without prefix. */
export type StoreFigures = Readonly<Record<string, number>>;
