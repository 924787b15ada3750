/**
 * Lets a request in by its key, or says why not.   First step of every path: guard -> [authenticator] -> routes.
 *
 * Without keys everybody who reaches the server is the operator; from the first key on nobody gets in without one, also after all
 * were revoked or the file was removed. A file that cannot be read lets nobody in.
 */
import type { ServerLogger } from '../server-log.js';
import { type Access, AccessRefusedError, OPEN_ACCESS, type RouteAccess } from './access.js';
import { type AccessKeyRecord, AccessKeys } from './access-keys.js';

const BEARER = /^Bearer +([^\s]+) *$/i;
/** A refused caller asks again and again: one line a reason within this time, with the number of those left out. */
const LOG_INTERVAL_MILLIS = 60_000;

type Reason = 'missing' | 'malformed' | 'unknown' | 'expired' | 'revoked' | 'not_allowed' | 'file_unusable';

export class Authenticator {
  readonly #keys: AccessKeys | undefined;
  readonly #logger: ServerLogger;
  readonly #now: () => number;
  readonly #refused = new Map<Reason, { total: number; since: number; loggedAt: number }>();
  #inUse = false;

  constructor(options: { keyFile: string | undefined; logger: ServerLogger; now?: (() => number) | undefined }) {
    this.#now = options.now ?? Date.now;
    this.#keys = options.keyFile === undefined ? undefined : new AccessKeys({ file: options.keyFile, now: this.#now });
    this.#logger = options.logger;
  }

  /** Refusals since the start, by reason. */
  get refused(): ReadonlyMap<string, number> {
    return new Map([...this.#refused].map(([reason, { total }]) => [reason, total]));
  }

  /** A deleted tenant's keys go with it, every trace of them. */
  async forgetTenant(tenantId: string | null): Promise<void> {
    if (tenantId !== null) await this.#keys?.forgetTenant(tenantId);
  }

  /** `authorization` is the header as it came. Errors: `AccessRefusedError`. */
  check(authorization: string | undefined, needed: RouteAccess): Access {
    if (needed === 'open' || this.#keys === undefined) return OPEN_ACCESS;
    try {
      return this.#check(this.#keys, authorization, needed);
    } catch (error) {
      if (error instanceof AccessRefusedError) throw error;
      const message = 'Access cannot be checked: the file of keys is unusable. The log of the server says why.';
      throw this.#refuse('file_unusable', 503, message, { error: (error as Error).message });
    }
  }

  #check(keys: AccessKeys, authorization: string | undefined, needed: RouteAccess): Access {
    this.#inUse ||= keys.exist();
    if (!this.#inUse) return OPEN_ACCESS;
    if (authorization === undefined) {
      throw this.#refuse('missing', 401, 'This server needs a key: send the header "Authorization: Bearer KEY".');
    }
    const token = BEARER.exec(authorization)?.[1];
    if (token === undefined) {
      throw this.#refuse('malformed', 401, 'The header Authorization must be "Bearer KEY".');
    }
    const record = keys.find(token);
    if (record === undefined || !keys.isUsable(record)) {
      const reason = record === undefined ? 'unknown' : record.revokedAt === undefined ? 'expired' : 'revoked';
      throw this.#refuse(reason, 401, 'The key is unknown, expired or revoked.', { key_id: record?.id });
    }
    const lack = lackOf(record, needed);
    if (lack !== undefined) throw this.#refuse('not_allowed', 403, lack, { key_id: record.id });
    return { tenantId: record.tenantId, keyId: record.id };
  }

  #refuse(
    reason: Reason,
    status: AccessRefusedError['statusCode'],
    message: string,
    fields: { readonly key_id?: string | undefined; readonly error?: string } = {},
  ): AccessRefusedError {
    const now = this.#now();
    const counted = this.#refused.get(reason) ?? { total: 0, since: 0, loggedAt: Number.NEGATIVE_INFINITY };
    this.#refused.set(reason, counted);
    counted.total += 1;
    counted.since += 1;
    if (now - counted.loggedAt >= LOG_INTERVAL_MILLIS) {
      this.#logger.log(reason === 'file_unusable' ? 'error' : 'warn', 'access_refused', {
        reason,
        count: counted.since,
        ...fields,
      });
      counted.loggedAt = now;
      counted.since = 0;
    }
    return new AccessRefusedError(status, message);
  }
}

/** What the key lacks for the route; undefined when nothing. */
function lackOf(record: AccessKeyRecord, needed: RouteAccess): string | undefined {
  if ((needed === 'operate' || needed === 'observe') && record.tenantId !== undefined) {
    return "This needs a key of the operator; a tenant's key does not do.";
  }
  if (needed !== 'ingest' && !record.read) return 'The key may ingest, not read.';
  if (needed !== 'read' && needed !== 'observe' && !record.ingest) return 'The key may read, not write.';
  return undefined;
}
