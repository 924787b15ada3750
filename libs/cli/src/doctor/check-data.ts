/** The data directory: room and speed of its disk, who may read it, and whether this release can open it. */
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { StoreOpenError } from '@cogniverse/foundation/store';
import { openLocalStore, STORE_FORMAT_VERSION } from '@cogniverse/telemetry-local/store';
import { count } from '../format/text.js';
import { type Finding, failure, ok, warning } from './finding.js';

const MEBIBYTE = 1024 * 1024;
const LITTLE_MEBIBYTES = 1024;
const TOO_LITTLE_MEBIBYTES = 100;
/** A request is acknowledged after a sync: with this, an exporter that sends one batch after another gets 20 through in a second. */
const SLOW_SYNC_MILLIS = 50;
const SYNCS = 5;

export function judgeDiskSpace(directory: string, freeBytes: number): Finding {
  const free = Math.floor(freeBytes / MEBIBYTE);
  const remedy = 'Free some space, or move the data directory with --data to a larger disk.';
  if (free < TOO_LITTLE_MEBIBYTES)
    return failure(
      'disk_almost_full',
      `Only ${free} MiB are free where ${directory} is: the store will soon refuse spans.`,
      remedy,
    );
  if (free < LITTLE_MEBIBYTES)
    return warning(
      'disk_low',
      `${free} MiB are free where ${directory} is; a million spans of 1 kB need about 500 MiB.`,
      remedy,
    );
  return ok('disk', `${(free / 1024).toFixed(1)} GiB are free where ${directory} is.`);
}

/** `millis`: the median of some syncs. */
export function judgeWriteLatency(directory: string, millis: number): Finding {
  if (millis <= SLOW_SYNC_MILLIS) return ok('disk', `A write is on disk after ${millis.toFixed(1)} ms.`);
  return warning(
    'disk_slow',
    `A write where ${directory} is takes ${millis.toFixed(0)} ms to be on disk, and each request waits for one.`,
    'Use a local SSD rather than a network file system; see what else writes to that disk.',
  );
}

/** The median time of a small write with its sync, in milliseconds. Errors: those of the file system. */
function writeLatencyMillis(directory: string): number {
  const own = mkdtempSync(join(directory, 'doctor-'));
  try {
    const file = openSync(join(own, 'probe'), 'w', 0o600);
    const block = Buffer.alloc(4096, 1);
    const times: number[] = [];
    for (let i = 0; i < SYNCS; i += 1) {
      const start = performance.now();
      writeSync(file, block);
      fsyncSync(file);
      times.push(performance.now() - start);
    }
    closeSync(file);
    return times.sort((a, b) => a - b)[Math.floor(SYNCS / 2)]!;
  } finally {
    rmSync(own, { recursive: true, force: true });
  }
}

/** `mode`: of the directory, as the file system gives it. */
export function judgeMode(directory: string, mode: number): Finding[] {
  // Windows has no such modes: all files look open to all.
  if (process.platform === 'win32' || (mode & 0o077) === 0) return [];
  return [
    warning(
      'data_open_to_others',
      `Other users of this machine may look into ${directory} (mode ${(mode & 0o777).toString(8)}).`,
      `chmod 700 ${directory}`,
    ),
  ];
}

/** The format that FORMAT names; undefined where it cannot be read, which the store itself tells better. */
function formatVersion(directory: string): number | undefined {
  const file = join(directory, 'FORMAT');
  if (!existsSync(file)) return undefined;
  const version = /"cogniverseStore":(\d{1,9})/.exec(readFileSync(file, 'utf8'))?.[1];
  return version === undefined ? undefined : Number(version);
}

export function judgeFormat(directory: string, version: number | undefined): Finding | undefined {
  if (version === undefined || version === STORE_FORMAT_VERSION) return undefined;
  if (version > STORE_FORMAT_VERSION) {
    return failure(
      'data_format_newer',
      `${directory} has format ${version}; this release knows format ${STORE_FORMAT_VERSION}.`,
      'Install the release that wrote it, or a newer one.',
    );
  }
  return warning(
    'data_format_older',
    `${directory} has format ${version}; the next start of this release makes it format ${STORE_FORMAT_VERSION}, which older releases cannot open.`,
    'Copy the directory first, with no server running, if you may want to go back. It was not opened now.',
  );
}

export function judgeDamaged(directory: string): Finding[] {
  const path = join(directory, 'damaged');
  const files = existsSync(path) ? readdirSync(path).sort() : [];
  if (files.length === 0) return [];
  return [
    warning(
      'data_damaged_files',
      `${count(files.length, 'file')} could not be read and ${files.length === 1 ? 'is' : 'are'} set aside in ${path}: ${files.slice(0, 3).join(', ')}${files.length > 3 ? ', ...' : ''}`,
      'Check the disk; restore from a back-up if what they held matters; then delete them.',
    ),
  ];
}

/** Opens the directory as `serve` would: lock, log and files are checked by the one who knows them. An older format is left as it is. */
export async function checkData(directory: string): Promise<Finding[]> {
  const path = resolve(directory);
  let existing = path;
  while (!existsSync(existing)) existing = dirname(existing);
  const { bavail, bsize } = statfsSync(existing);
  const findings = [judgeDiskSpace(path, bavail * bsize)];
  try {
    findings.push(judgeWriteLatency(path, writeLatencyMillis(existing)));
  } catch (error) {
    findings.push(
      failure(
        'disk_read_only',
        `Nothing can be written to ${existing}: ${(error as Error).message}.`,
        'Give the user that runs the server the right to write there, or use another directory with --data.',
      ),
    );
    return findings;
  }
  if (existing !== path) {
    findings.push(ok('data', `${path} does not exist yet; \`cogniverse serve\` makes it.`));
    return findings;
  }
  findings.push(...judgeMode(path, statSync(path).mode));
  const format = judgeFormat(path, formatVersion(path));
  if (format !== undefined) return [...findings, format];
  try {
    const store = await openLocalStore({ dataDir: path });
    await store.shutdown();
    findings.push(ok('data', `${path} can be opened.`));
  } catch (error) {
    if (!(error instanceof StoreOpenError)) throw error;
    findings.push(
      error.holderPid === undefined
        ? failure('data_unusable', error.message, 'Correct that, or use another directory with --data.')
        : ok('data', `${path} is open in process ${error.holderPid}, presumably its server.`),
    );
  }
  findings.push(...judgeDamaged(path));
  return findings;
}
