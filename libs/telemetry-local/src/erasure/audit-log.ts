/**
 * What was deleted, when and for whom: a line a deletion, with a keyed hash in the place of the tenant's id.   Control path: erasure -> [audit-log].
 *
 *   audit.jsonl   only ever appended to          audit.key   the key, made at the first deletion, mode 0600
 *
 * Who has the key and a tenant's id can find its entries; who has the file alone learns nothing, and cannot try names.
 * The key also seals the name of a tenant whose deletion is under way, so that a restart knows whom it is about and no file says it.
 */
import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto';
import {
  closeSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { StoreOpenError } from '@cogniverse/foundation/store';
import type { DataDirectory } from '../data-directory.js';
import { syncDirectory } from '../write-ahead-log.js';

const KEY_BYTES = 32;
const IV_BYTES = 12;
const TAG_BYTES = 16;

export interface AuditEntry {
  readonly action: 'delete_tenant';
  /** Rows that are gone, by table. */
  readonly deleted: Readonly<Record<string, number>>;
}

export class AuditLog {
  readonly #file: string;
  readonly #key: Buffer;

  private constructor(file: string, key: Buffer) {
    this.#file = file;
    this.#key = key;
  }

  /** Makes the key when there is none. Errors: those of the file system, `StoreOpenError` for a key that is damaged. */
  static open(directory: DataDirectory): AuditLog {
    const keyFile = join(directory.root, 'audit.key');
    const log = join(directory.root, 'audit.jsonl');
    try {
      const key = Buffer.from(readFileSync(keyFile, 'utf8').trim(), 'hex');
      if (key.length === KEY_BYTES) return new AuditLog(log, key);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      const key = randomBytes(KEY_BYTES);
      // Whole or not at all: half a key would keep the store from being opened.
      const fresh = `${keyFile}.new`;
      writeFileSync(fresh, `${key.toString('hex')}\n`, { mode: 0o600, flush: true });
      renameSync(fresh, keyFile);
      syncDirectory(directory.root);
      return new AuditLog(log, key);
    }
    throw new StoreOpenError(
      `${keyFile} does not hold a key of ${KEY_BYTES} bytes in hexadecimal. Restore it from a backup; moved away, it is made anew, and the entries of ` +
        'audit.jsonl can no longer be told to belong to a tenant.',
    );
  }

  /** 64 hexadecimal digits; the same for a tenant as long as the key is. */
  tenantHash(tenant: string | null): string {
    return createHmac('sha256', this.#key)
      .update(tenant === null ? 'n' : `t${tenant}`)
      .digest('hex');
  }

  #sealingKey(): Buffer {
    return createHmac('sha256', this.#key).update('seal').digest();
  }

  seal(text: string): string {
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#sealingKey(), iv);
    return Buffer.concat([iv, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]).toString('base64');
  }

  /** Errors: `Error` for what this key did not seal. */
  unseal(sealed: string): string {
    const bytes = Buffer.from(sealed, 'base64');
    const decipher = createDecipheriv('aes-256-gcm', this.#sealingKey(), bytes.subarray(0, IV_BYTES));
    decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
    return decipher.update(bytes.subarray(IV_BYTES, -TAG_BYTES), undefined, 'utf8') + decipher.final('utf8');
  }

  /** Durable when it returns. Errors: those of the file system; then there is no such line. */
  append(tenant: string | null, entry: AuditEntry): void {
    const line = Buffer.from(
      `${JSON.stringify({ time: new Date().toISOString(), tenant: this.tenantHash(tenant), ...entry })}\n`,
    );
    const file = openSync(this.#file, 'a', 0o600);
    try {
      const { size } = fstatSync(file);
      try {
        if (writeSync(file, line) !== line.length) throw new Error('the disk is full');
        fsyncSync(file);
      } catch (error) {
        ftruncateSync(file, size);
        throw error;
      }
    } finally {
      closeSync(file);
    }
  }
}
