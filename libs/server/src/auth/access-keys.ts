/**
 * The keys that open the server: made, listed, revoked, and looked up.   Control path: CLI -> [access-keys] -> file -> [access-keys] -> authenticator.
 *
 * A file in the data directory, for its owner alone, holds a keyed hash of each key and never the key: see docs/decisions/0013. Who writes
 * takes a lock and replaces the file whole; who reads sees every change with the next look.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ConfigFileError, type ConfigKey, FileConfigStore } from '@cogniverse/foundation/config';
import { ConfigurationError, InvalidNameError } from '@cogniverse/foundation/store';
import { z } from 'zod';

/** Prefix, id, secret: 256 random bits. Secret scanners know such a text by its prefix. */
const KEY = /^cgv_([0-9a-f]{12})_([A-Za-z0-9_-]{43})$/;
const ID = /^[0-9a-f]{12}$/;
// As wide as what spans may name: a key is to be had for every tenant that has some.
const TENANT = /^\P{Cc}{1,256}$/u;
const MAX_NAME_LENGTH = 100;
/** Compared with where no key has the id, so that both answers take the same work. */
const NO_KEY = { salt: 'AAAAAAAAAAAAAAAAAAAAAA', hash: 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA' };

const time = z.iso.datetime();
const storedKey = z.strictObject({
  name: z.string().max(MAX_NAME_LENGTH),
  /** null: the operator's. */
  tenant_id: z.string().min(1).nullable(),
  read: z.boolean(),
  ingest: z.boolean(),
  /** base64url; `hash` is HMAC-SHA-256 of the secret under `salt`. */
  salt: z.string().length(22),
  hash: z.string().length(43),
  expires_at: time.nullable(),
  revoked_at: time.nullable(),
});

/** What can be told of a key. */
export interface AccessKeyRecord {
  /** Stands in the key itself, after its prefix. */
  readonly id: string;
  readonly name: string;
  /** Undefined: the operator's, for all tenants. */
  readonly tenantId: string | undefined;
  readonly read: boolean;
  readonly ingest: boolean;
  /** ISO 8601. */
  readonly createdAt: string;
  readonly expiresAt: string | undefined;
  readonly revokedAt: string | undefined;
}

export interface NewAccessKey {
  /** Undefined: the operator's. */
  readonly tenantId: string | undefined;
  readonly read: boolean;
  readonly ingest: boolean;
  /** For people. Empty by default. */
  readonly name?: string | undefined;
  readonly expiresAt?: Date | undefined;
}

export interface AccessKeysOptions {
  /** Usually `accessKeyFile(dataDir)`. */
  readonly file: string;
  /** Milliseconds since 1970. */
  readonly now?: (() => number) | undefined;
}

/** The file of a data directory's keys. */
export function accessKeyFile(dataDir: string): string {
  return join(resolve(dataDir), 'keys.json');
}

/** Errors of every method: `ConfigurationError` if the file cannot be used, naming it and what to do. */
export class AccessKeys {
  readonly file: string;
  readonly #store: FileConfigStore;
  readonly #now: () => number;

  /** Touches no file. */
  constructor(options: AccessKeysOptions) {
    this.file = resolve(options.file);
    this.#store = new FileConfigStore({ path: this.file, maxVersions: 1 });
    this.#now = options.now ?? Date.now;
  }

  /**
   * Makes a key, and the file where there is none. `key` is told here and never again.
   *
   * Errors: `InvalidNameError` for a tenant id that cannot be used; `ConfigurationError` for a key that could do nothing.
   */
  async create(wanted: NewAccessKey): Promise<{ key: string; record: AccessKeyRecord }> {
    const { tenantId, read, ingest, name = '', expiresAt } = wanted;
    if (tenantId !== undefined && !TENANT.test(tenantId)) {
      throw new InvalidNameError(
        `Tenant id ${JSON.stringify(tenantId.slice(0, 200))} cannot be used: allowed are 1 to 256 characters, none of them a control character.`,
      );
    }
    if (!read && !ingest)
      throw new ConfigurationError('A key that may neither read nor ingest opens nothing. Allow one or both.');
    if (name.length > MAX_NAME_LENGTH) {
      throw new ConfigurationError(`The name of a key has ${name.length} characters; ${MAX_NAME_LENGTH} are allowed.`);
    }
    if (expiresAt !== undefined && !(expiresAt.getTime() > this.#now())) {
      throw new ConfigurationError('The key would be expired from the start. Give a time that is still to come.');
    }
    const id = randomBytes(6).toString('hex');
    const secret = randomBytes(32).toString('base64url');
    const salt = randomBytes(16).toString('base64url');
    const entry = await this.#using(() =>
      this.#store.set(keyOf(id), {
        name,
        tenant_id: tenantId ?? null,
        read,
        ingest,
        salt,
        hash: hashOf(secret, salt).toString('base64url'),
        expires_at: expiresAt?.toISOString() ?? null,
        revoked_at: null,
      }),
    );
    return { key: `cgv_${id}_${secret}`, record: this.#recordOf(entry) };
  }

  /** Oldest first, those that are expired or revoked among them. */
  list(): AccessKeyRecord[] {
    return this.#reading(() => this.#store.list(SCOPE)).map((entry) => this.#recordOf(entry));
  }

  /** Whether a key was ever made here. */
  exist(): boolean {
    return this.#reading(() => this.#store.list(SCOPE)).length > 0;
  }

  /** Whether somebody can get in. */
  hasUsable(): boolean {
    return this.list().some((record) => this.isUsable(record));
  }

  isUsable(record: AccessKeyRecord): boolean {
    return (
      record.revokedAt === undefined && (record.expiresAt === undefined || Date.parse(record.expiresAt) > this.#now())
    );
  }

  /** Undefined if there is no such key. A key that was revoked before keeps its time. */
  async revoke(id: string): Promise<AccessKeyRecord | undefined> {
    const entry = ID.test(id) ? this.#reading(() => this.#store.get(keyOf(id))) : undefined;
    if (entry === undefined) return undefined;
    const stored = this.#storedOf(entry.value);
    if (stored.revoked_at !== null) return this.#recordOf(entry);
    const revoked = { ...stored, revoked_at: new Date(this.#now()).toISOString() };
    return this.#recordOf(await this.#using(() => this.#store.set(keyOf(id), revoked)));
  }

  /** Removes every trace of a tenant's keys: for its deletion. Gives their number. */
  async forgetTenant(tenantId: string): Promise<number> {
    const ofTenant = this.list().filter((record) => record.tenantId === tenantId);
    for (const { id } of ofTenant) await this.#using(() => this.#store.delete(keyOf(id), { forget: true }));
    return ofTenant.length;
  }

  /** The key's record, if there is such a key, valid or not. The secret is compared in constant time. */
  find(key: string): AccessKeyRecord | undefined {
    const [, id, secret] = KEY.exec(key) ?? [];
    if (id === undefined || secret === undefined) return undefined;
    const entry = this.#reading(() => this.#store.get(keyOf(id)));
    const stored = entry === undefined ? undefined : this.#storedOf(entry.value);
    const { salt, hash } = stored ?? NO_KEY;
    const same = timingSafeEqual(hashOf(secret, salt), Buffer.from(hash, 'base64url'));
    return same && entry !== undefined ? this.#recordOf(entry) : undefined;
  }

  /** Errors: `ConfigurationError` if others than its owner may read or write the file. Nothing to say where there is no file. */
  checkMode(): void {
    const mode = statSync(this.file, { throwIfNoEntry: false })?.mode;
    if (mode === undefined || process.platform === 'win32' || (mode & 0o077) === 0) return;
    throw new ConfigurationError(
      `The file of access keys ${this.file} is open to other users (mode ${(mode & 0o777).toString(8)}): they could give themselves a key. ` +
        "Make it its owner's alone with: chmod 600 FILE.",
    );
  }

  #recordOf({ key: id, value, createdAt }: { key: string; value: unknown; createdAt: string }): AccessKeyRecord {
    const { name, tenant_id, read, ingest, expires_at, revoked_at } = this.#storedOf(value);
    return {
      id,
      name,
      tenantId: tenant_id ?? undefined,
      read,
      ingest,
      createdAt,
      expiresAt: expires_at ?? undefined,
      revokedAt: revoked_at ?? undefined,
    };
  }

  #storedOf(value: unknown): z.output<typeof storedKey> {
    const parsed = storedKey.safeParse(value);
    if (parsed.success) return parsed.data;
    throw this.#unusable(`${parsed.error.issues[0]!.path.join('.') || 'an entry'} of a key is not what it should be`);
  }

  #reading<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      throw this.#translated(error);
    }
  }

  async #using<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw this.#translated(error);
    }
  }

  #translated(error: unknown): unknown {
    if (!(error instanceof ConfigFileError)) return error;
    const { reason, position } = error;
    const what = {
      damaged:
        position === undefined ? 'it is damaged' : `it is damaged in line ${position.line}, column ${position.column}`,
      newer_format: 'a later release wrote it',
      unreadable: 'it cannot be read',
      unwritable: 'it cannot be written',
      locked: 'another process holds its lock',
    }[reason];
    return this.#unusable(what, error);
  }

  /** Nothing of what is in the file is shown. */
  #unusable(what: string, cause?: unknown): ConfigurationError {
    return new ConfigurationError(
      `The file of access keys ${this.file} cannot be used: ${what}. While it is so no key is accepted. ` +
        'Put a back-up in its place, or remove it and make new keys with "cogniverse keys create".',
      { cause },
    );
  }
}

const SCOPE = { tenantId: 'all', scope: 'server', service: 'access-keys' } as const;

function keyOf(id: string): ConfigKey {
  return { ...SCOPE, key: id };
}

function hashOf(secret: string, salt: string): Buffer {
  return createHmac('sha256', Buffer.from(salt, 'base64url')).update(secret).digest();
}
