/**
 * One process at a time has a data directory open.   Control path: open -> [store-lock].
 *
 * The lock names its holder by process id, start of that process and boot of the machine, so a lock that a killed process left behind is
 * known as such even when its id is in use again.
 */
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { linkSync, readFileSync, renameSync, unlinkSync, writeFileSync } from 'node:fs';
import { StoreOpenError } from '@cogniverse/foundation/telemetry';

interface Holder {
  readonly pid: number;
  readonly started: string;
  readonly boot: string;
  readonly nonce: string;
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

/** Tells two processes with one id apart; empty where the system does not tell. */
function processStart(pid: number): string {
  // After the name in brackets, which may hold anything: state is field 3, the start time field 22.
  const stat = readText(`/proc/${pid}/stat`);
  if (stat !== undefined) return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  if (process.platform === 'linux' || process.platform === 'win32') return '';
  try {
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim();
  } catch {
    return ''; // no such process
  }
}

function bootId(): string {
  return readText('/proc/sys/kernel/random/boot_id')?.trim() ?? '';
}

function parseHolder(text: string): Holder | undefined {
  try {
    const value = JSON.parse(text) as Partial<Holder> | null;
    if (typeof value !== 'object' || value === null || !Number.isSafeInteger(value.pid)) return undefined;
    return {
      pid: value.pid as number,
      started: String(value.started),
      boot: String(value.boot),
      nonce: String(value.nonce),
    };
  } catch {
    return undefined;
  }
}

function isAlive(holder: Holder): boolean {
  if (holder.boot !== bootId()) return false;
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    // Not permitted means that it runs, as another user.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  return holder.started === processStart(holder.pid);
}

export class StoreLock {
  readonly #file: string;
  readonly #text: string;

  private constructor(file: string, text: string) {
    this.#file = file;
    this.#text = text;
  }

  /** Errors: `StoreOpenError` naming the process that has the directory open. */
  static acquire(file: string): StoreLock {
    const text = JSON.stringify({
      pid: process.pid,
      started: processStart(process.pid),
      boot: bootId(),
      nonce: randomUUID(),
    } satisfies Holder);
    const candidate = `${file}.${randomUUID()}`;
    writeFileSync(candidate, text, { flag: 'wx', mode: 0o600 });
    try {
      // A link appears whole or not at all: nobody ever reads half a lock.
      for (let attempt = 0; attempt < 10; attempt++) {
        try {
          linkSync(candidate, file);
          return new StoreLock(file, text);
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
        }
        StoreLock.#removeStale(file);
      }
      throw new StoreOpenError(
        `The lock ${file} changes all the time. Is something else opening the store? Try again.`,
      );
    } finally {
      unlinkSync(candidate);
    }
  }

  static #removeStale(file: string): void {
    const text = readText(file);
    if (text === undefined) return;
    const holder = parseHolder(text);
    if (holder !== undefined && isAlive(holder)) {
      throw new StoreOpenError(
        `The data directory is open in process ${holder.pid}${holder.pid === process.pid ? ' (this one)' : ''}. ` +
          'Only one process may have it open: read and write through that process by setting "endpoint" ' +
          '(for example http://127.0.0.1:6006), or stop it first.',
        { holderPid: holder.pid },
      );
    }
    // Renamed before it is removed: of two that see the same stale lock one gets it, and a fresh lock is put back.
    const aside = `${file}.${randomUUID()}`;
    try {
      renameSync(file, aside);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      throw error;
    }
    try {
      if (readText(aside) !== text) linkSync(aside, file);
    } finally {
      unlinkSync(aside);
    }
  }

  release(): void {
    if (readText(this.#file) === this.#text) unlinkSync(this.#file);
  }
}
