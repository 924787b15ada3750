/**
 * Brings a directory that an earlier release wrote to the format of this one.   Control path: open -> lock -> [upgrade] -> engine.
 *
 * One step a format, in a file of its own; FORMAT names the new one when all files of a step are done, so an upgrade that is cut short runs
 * again from the step it was in. A file that is no database is left to the engine, which sets it aside. Log segments are not touched:
 * they are read by the code that reads new ones.
 */
import { existsSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { StoreOpenError } from '@cogniverse/foundation/store';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { type DataDirectory, FORMAT_VERSION } from '../data-directory.js';
import { sqlText } from '../database.js';
import { phase } from '../phases.js';
import { FROM_1 } from './from-1.js';

export interface UpgradeStep {
  /** Leads from this format to the next. */
  readonly from: number;
  /** Statements for `meta.duckdb`, each committed by itself and harmless when it is repeated. Tables are named without a catalog. */
  readonly meta: readonly string[];
  /** The same for each day file. */
  readonly day: readonly string[];
}

const STEPS: readonly UpgradeStep[] = [FROM_1];

/** Files of a directory that a step may have work in. */
function filesOf(step: UpgradeStep, directory: DataDirectory): { file: string; statements: readonly string[] }[] {
  const days = readdirSync(directory.days).filter((name) => name.endsWith('.duckdb'));
  return [
    { file: directory.metaFile, statements: step.meta },
    ...days.sort().map((name) => ({ file: join(directory.days, name), statements: step.day })),
  ].filter(({ file, statements }) => statements.length > 0 && existsSync(file));
}

/**
 * Called with the lock held and the directory's parts made. `report` gets a line a step and a file.
 *
 * Errors: `StoreOpenError` naming the file in which a step failed; the directory can be opened again by this release once that is mended.
 */
export async function upgradeDirectory(directory: DataDirectory, report: (line: string) => void): Promise<void> {
  const found = directory.formatVersion();
  for (let format = found; format < FORMAT_VERSION; format++) {
    const step = STEPS.find(({ from }) => from === format);
    if (step === undefined) {
      throw new StoreOpenError(
        `The data directory ${directory.root} has format ${format}, and this release knows no way from it. ` +
          'Check the file FORMAT in it, or restore a backup.',
      );
    }
    await runStep(step, directory, report);
  }
}

async function runStep(step: UpgradeStep, directory: DataDirectory, report: (line: string) => void): Promise<void> {
  const files = filesOf(step, directory);
  report(`upgrading ${directory.root} from format ${step.from} to ${step.from + 1}: ${files.length} files`);
  const instance = await DuckDBInstance.create(':memory:', { temp_directory: directory.temp });
  const connection = await instance.connect();
  try {
    for (const [index, { file, statements }] of files.entries()) {
      await upgradeFile(connection, file, statements, report);
      report(`upgraded ${basename(file)}, ${index + 1} of ${files.length}`);
    }
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
  phase('upgraded');
  directory.writeFormat(step.from + 1);
  report(`upgraded ${directory.root} to format ${step.from + 1}`);
}

async function upgradeFile(
  connection: DuckDBConnection,
  file: string,
  statements: readonly string[],
  report: (line: string) => void,
): Promise<void> {
  try {
    await connection.run(`ATTACH ${sqlText(file)} AS upgraded (STORAGE_VERSION 'latest')`);
  } catch (error) {
    report(`${file} is passed over, it cannot be read: ${(error as Error).message}`);
    return;
  }
  try {
    await connection.run('USE upgraded');
    for (const statement of statements) {
      phase('upgrade');
      await connection.run(statement);
    }
    await connection.run('CHECKPOINT upgraded');
  } catch (cause) {
    throw new StoreOpenError(
      `${file} could not be upgraded: ${(cause as Error).message}. ` +
        'Nothing is lost: make sure that the disk has room and open the store again, or open it with the release that wrote it.',
      { cause },
    );
  } finally {
    await connection.run('USE memory');
    await connection.run('DETACH upgraded');
  }
}
