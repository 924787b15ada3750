/**
 * Recognises a request that came before: an exporter that got no answer sends the same bytes again.   Write path: [request-memory] -> decode.
 *
 * Bounded by time and by number, and forgetting is harmless: spans are compared by their ids besides.
 */
import { createHash } from 'node:crypto';
import type { TenantIngestCounts } from '@cogniverse/foundation/telemetry';
import type { RecordMeta } from './write-ahead-log.js';

/** What the first answer said. */
export interface RememberedAnswer {
  readonly acceptedSpans: number;
  readonly rejectedSpans: number;
  readonly message: string;
  readonly tenants: readonly TenantIngestCounts[];
}

export function requestDigest(meta: RecordMeta, body: Uint8Array): string {
  return createHash('sha256')
    .update(JSON.stringify([meta.f, meta.t ?? null, meta.p ?? null]))
    .update(body)
    .digest('base64');
}

export class RequestMemory {
  readonly #answers = new Map<string, { answer: RememberedAnswer; expires: number }>();
  readonly #millis: number;
  readonly #entries: number;

  constructor(options: { millis: number; entries: number }) {
    this.#millis = options.millis;
    this.#entries = options.entries;
  }

  recall(digest: string, now: number): RememberedAnswer | undefined {
    const entry = this.#answers.get(digest);
    return entry !== undefined && entry.expires > now ? entry.answer : undefined;
  }

  /** As if no request with spans of the tenant had come. */
  forgetTenant(tenant: string | null): void {
    for (const [digest, { answer }] of this.#answers) {
      if (answer.tenants.some(({ tenantId }) => tenantId === tenant)) this.#answers.delete(digest);
    }
  }

  remember(digest: string, answer: RememberedAnswer, now: number): void {
    this.#answers.delete(digest);
    this.#answers.set(digest, { answer, expires: now + this.#millis });
    for (const [oldest, entry] of this.#answers) {
      if (this.#answers.size <= this.#entries && entry.expires > now) break;
      this.#answers.delete(oldest);
    }
  }
}
