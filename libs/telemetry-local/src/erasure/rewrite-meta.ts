/**
 * Writes `meta.duckdb` anew without a tenant's rows and puts it in the place of the old one.   Control path: erasure -> [rewrite-meta].
 *
 * DuckDB neither wipes nor gives back the blocks of rows that are deleted, so what is to be gone must not be in the file at all. Knows nothing
 * of the tables but that each has `tenant_id`.
 */
import { chmodSync, renameSync, rmSync } from 'node:fs';
import type { DuckDBConnection } from '@duckdb/node-api';
import { type DataDirectory, prepareLogOf } from '../data-directory.js';
import { sqlText } from '../database.js';
import { rowsOf } from '../meta/meta-database.js';
import { syncDirectory } from '../write-ahead-log.js';
import { swapped } from './file-swap.js';

/** As it is attached everywhere. */
export async function attachMeta(connection: DuckDBConnection, file: string): Promise<void> {
  await connection.run(`ATTACH ${sqlText(file)} AS meta (STORAGE_VERSION 'latest')`);
  chmodSync(file, 0o600);
}

/**
 * Called while nothing else writes to `meta`; `exclusive` runs its argument while nothing reads it either.
 * Gives how many rows are gone, by table. `beforeSwap` is called when the new file is complete.
 */
export async function rewriteMeta(
  connection: DuckDBConnection,
  directory: DataDirectory,
  tenant: string | null,
  exclusive: (work: () => Promise<void>) => Promise<void>,
  beforeSwap: () => void,
): Promise<Record<string, number>> {
  const file = directory.metaFile;
  const fresh = directory.freshMetaFile;
  rmSync(fresh, { force: true });
  rmSync(`${fresh}.wal`, { force: true });
  const gone: Record<string, number> = {};
  await connection.run(`ATTACH ${sqlText(fresh)} AS fresh_meta (STORAGE_VERSION 'latest')`);
  try {
    chmodSync(fresh, 0o600);
    prepareLogOf(fresh);
    await connection.run('COPY FROM DATABASE meta TO fresh_meta (SCHEMA)');
    const tables = await connection.runAndReadAll(
      "SELECT table_name FROM duckdb_tables() WHERE database_name = 'meta' ORDER BY table_name",
    );
    for (const [name] of tables.getRows() as [string][]) {
      const table = `"${name.replaceAll('"', '""')}"`;
      const counted = await connection.runAndReadAll(
        `SELECT count(*) FROM meta.${table} WHERE tenant_id IS NOT DISTINCT FROM $tenant::VARCHAR`,
        { tenant },
      );
      gone[rowsOf(name)] = Number(counted.getRows()[0]![0]);
      await connection.run(
        `INSERT INTO fresh_meta.${table} SELECT * FROM meta.${table} WHERE tenant_id IS DISTINCT FROM $tenant::VARCHAR`,
        { tenant },
      );
    }
    await connection.run('CHECKPOINT fresh_meta');
  } finally {
    await connection.run('DETACH fresh_meta');
  }
  beforeSwap();
  await exclusive(async () => {
    await connection.run('CHECKPOINT meta'); // leaves no log of its own beside it
    await connection.run('DETACH meta');
    rmSync(`${file}.wal`, { force: true });
    await swapped(async () => {
      renameSync(fresh, file);
      syncDirectory(directory.root);
      await attachMeta(connection, file);
    });
  });
  return gone;
}
