/**
 * Remembers over a crash that a tenant's deletion has begun: the next start finishes it before it serves.   Control path: [pending-deletion].
 *
 * `deletion.pending` holds the tenant's id sealed with the key beside it, and is unlinked as the last step of all.
 */
import { existsSync, readFileSync, renameSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { StoreOpenError } from '@cogniverse/foundation/telemetry';
import type { DataDirectory } from '../data-directory.js';
import { syncDirectory } from '../write-ahead-log.js';
import { AuditLog } from './audit-log.js';

function markerOf(directory: DataDirectory): string {
  return join(directory.root, 'deletion.pending');
}

/** Durable when it returns. */
export function writePendingDeletion(directory: DataDirectory, audit: AuditLog, tenant: string | null): void {
  const marker = markerOf(directory);
  writeFileSync(`${marker}.new`, audit.seal(JSON.stringify({ tenant })), { mode: 0o600, flush: true });
  renameSync(`${marker}.new`, marker);
  syncDirectory(directory.root);
}

/** Errors: `StoreOpenError` when the marker cannot be read: whose deletion it is about must not be forgotten. */
export function readPendingDeletion(directory: DataDirectory): { tenant: string | null } | undefined {
  const marker = markerOf(directory);
  if (!existsSync(marker)) return undefined;
  try {
    return JSON.parse(AuditLog.open(directory).unseal(readFileSync(marker, 'utf8'))) as { tenant: string | null };
  } catch (cause) {
    throw new StoreOpenError(
      `${marker} says that the deletion of a tenant was cut short, and cannot be read: restore audit.key, which sealed it, or remove ` +
        'the file and delete the tenant again.',
      { cause },
    );
  }
}

export function removePendingDeletion(directory: DataDirectory): void {
  unlinkSync(markerOf(directory));
  syncDirectory(directory.root);
}
