/**
 * Moves a closed segment's rows into the files of their days.   Write path: hot table -> [flush] -> day files.
 *
 * For each day one transaction: the rows that are not there yet, in the order that reads like (project, time), what is known of them
 * block by block, and the mark that this segment is applied. Repeated after a crash it finds the mark and does nothing. The segment's doubts are settled before.
 */
import type { DuckDBConnection } from '@duckdb/node-api';
import { appendBlock } from './blocks.js';
import type { Database } from './database.js';
import type { DayFile } from './day-file.js';
import type { DayFiles } from './day-files.js';
import { phase } from './phases.js';
import type { Segment } from './segment.js';

/** Errors: those of the database and the disk; it can be repeated as it is. */
export async function flushSegment(
  database: Database,
  connection: DuckDBConnection,
  files: DayFiles,
  segment: Segment,
): Promise<void> {
  for (const day of segment.blocks.days.sort((a, b) => a - b)) {
    phase('flush');
    await flushDay(database, connection, await files.ensure(day), segment);
  }
}

async function flushDay(
  database: Database,
  connection: DuckDBConnection,
  file: DayFile,
  segment: Segment,
): Promise<void> {
  const { catalog, day } = file;
  const applied = await connection.runAndReadAll(`SELECT 1 FROM ${catalog}.applied WHERE seg = ${segment.number}`);
  const isNew = applied.currentRowCount === 0;
  try {
    if (isNew) {
      await connection.run('BEGIN TRANSACTION');
      const { copies } = segment;
      const isNot = copies.length === 0 ? 'true' : `seq NOT IN (${copies.join(', ')})`;
      const compared = segment.unchecked.has(day)
        ? `ANTI JOIN (SELECT project_key, trace_id, span_id FROM ${catalog}.spans) USING (project_key, trace_id, span_id)`
        : '';
      await connection.run(
        `INSERT INTO ${catalog}.spans BY NAME
         SELECT * EXCLUDE (day), ${segment.number} AS seg FROM (SELECT * FROM ${segment.table} WHERE day = ${day} AND ${isNot}) ${compared}
         ORDER BY project_key, start_ns, seq`,
      );
      await writeBlocks(connection, file, segment);
      await connection.run(`INSERT INTO ${catalog}.applied VALUES (${segment.number}, ${segment.lastSequence})`);
    }
    await database.exclusive(async () => {
      if (isNew) {
        phase('commit');
        await connection.run('COMMIT');
      }
      phase('checkpoint');
      await connection.run(`CHECKPOINT ${catalog}`);
    });
  } catch (error) {
    await rollBack(connection);
    throw error;
  }
}

/** Of all rows of the segment: where some were copies, the blocks say more than there is. */
async function writeBlocks(connection: DuckDBConnection, { catalog, day }: DayFile, segment: Segment): Promise<void> {
  const appender = await connection.createAppender('blocks', 'main', catalog);
  for (const block of segment.blocks.of(day)) appendBlock(appender, segment.number, block);
  appender.closeSync();
}

/** A transaction that failed may have ended by itself; what counts is that none is open. */
async function rollBack(connection: DuckDBConnection): Promise<void> {
  try {
    await connection.run('ROLLBACK');
  } catch (error) {
    if (!String(error).includes('no transaction is active')) throw error;
  }
}
