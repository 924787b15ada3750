/** One file of the cold side: its tables, and how it is attached.   Write path: day-files, day-copy -> [day-file]. */
import { chmodSync, existsSync, rmSync, statSync } from 'node:fs';
import type { DuckDBConnection } from '@duckdb/node-api';
import { BLOCK_COLUMNS } from './blocks.js';
import { prepareLogOf } from './data-directory.js';
import { sqlText } from './database.js';
import { STORED_COLUMNS } from './span-table.js';

/** As measured: smaller row groups make reads of one project in a file of many faster, and cost no space. */
const ROW_GROUP_SIZE = 20_480;

export interface DayFile {
  readonly day: number;
  /** Name of the attached database, safe in SQL. */
  readonly catalog: string;
  readonly file: string;
}

/** Attaches a day file as `catalog`, made when it is missing. */
export async function attachDayFile(connection: DuckDBConnection, catalog: string, file: string): Promise<void> {
  await connection.run(
    `ATTACH ${sqlText(file)} AS ${catalog} (STORAGE_VERSION 'latest', ROW_GROUP_SIZE ${ROW_GROUP_SIZE})`,
  );
  chmodSync(file, 0o600);
  prepareLogOf(file);
  await makeTables(connection, catalog);
}

/** With nothing of it in a log of its own. */
export async function detachDayFile(connection: DuckDBConnection, catalog: string, file: string): Promise<void> {
  await connection.run(`CHECKPOINT ${catalog}`);
  await connection.run(`DETACH ${catalog}`);
  const log = `${file}.wal`;
  if (!existsSync(log)) return;
  if (statSync(log).size > 0) throw new Error(`${log} is still there`);
  rmSync(log); // made, and not used
}

export async function makeTables(connection: DuckDBConnection, catalog: string): Promise<void> {
  await connection.run(`CREATE TABLE IF NOT EXISTS ${catalog}.spans (${STORED_COLUMNS})`);
  await connection.run(
    `CREATE TABLE IF NOT EXISTS ${catalog}.applied (seg BIGINT PRIMARY KEY, last_seq BIGINT NOT NULL)`,
  );
  // Also in a file that an older version made, without it.
  await connection.run(`CREATE TABLE IF NOT EXISTS ${catalog}.blocks (${BLOCK_COLUMNS})`);
}
