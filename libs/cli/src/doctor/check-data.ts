/** The data directory: room on its disk, and whether this release can open it. */
import { existsSync, statfsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { StoreOpenError } from '@cogniverse/foundation/telemetry';
import { openLocalStore } from '@cogniverse/telemetry-local';
import { type Finding, failure, ok, warning } from './finding.js';

const MEBIBYTE = 1024 * 1024;
const LITTLE_MEBIBYTES = 1024;
const TOO_LITTLE_MEBIBYTES = 100;

export function judgeDiskSpace(directory: string, freeBytes: number): Finding {
  const free = Math.floor(freeBytes / MEBIBYTE);
  const remedy = 'Free some space, or move the data directory with --data to a larger disk.';
  if (free < TOO_LITTLE_MEBIBYTES)
    return failure(
      'disk',
      `Only ${free} MiB are free where ${directory} is: the store will soon refuse spans.`,
      remedy,
    );
  if (free < LITTLE_MEBIBYTES)
    return warning(
      'disk',
      `${free} MiB are free where ${directory} is; a million spans of 1 kB need about 500 MiB.`,
      remedy,
    );
  return ok('disk', `${(free / 1024).toFixed(1)} GiB are free where ${directory} is.`);
}

/** Opens the directory as `serve` would: format, lock, log and files are checked by the one who knows them. */
export async function checkData(directory: string): Promise<Finding[]> {
  const path = resolve(directory);
  let existing = path;
  while (!existsSync(existing)) existing = dirname(existing);
  const { bavail, bsize } = statfsSync(existing);
  const findings = [judgeDiskSpace(path, bavail * bsize)];
  if (existing !== path) {
    findings.push(ok('data', `${path} does not exist yet; \`cogniverse serve\` makes it.`));
    return findings;
  }
  try {
    const store = await openLocalStore({ dataDir: path });
    await store.shutdown();
    findings.push(ok('data', `${path} can be opened.`));
  } catch (error) {
    if (!(error instanceof StoreOpenError)) throw error;
    findings.push(
      error.holderPid === undefined
        ? failure('data', error.message, 'Correct that, or use another directory with --data.')
        : ok('data', `${path} is open in process ${error.holderPid}, presumably its server.`),
    );
  }
  return findings;
}
