/**
 * One process at a time: a lock that is a file.   Control path: configuration file's writer, opening of a store -> [file lock].
 *
 * The lock names its holder by machine, process id, start of that process and boot of the machine, so a lock that a killed process left
 * behind is known as such even when its id is in use again. It appears whole or not at all, because it is linked into place.
 */
import { execFileSync } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { linkSync, readdirSync, readFileSync, readlinkSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';

/** A lock whose holder cannot be seen from here (another machine, another container) counts as left behind when it is older than this. */
const UNSEEN_HOLDER_MILLIS = 10 * 60_000;

/** Who has a lock. */
export interface LockHolder {
  readonly pid: number;
  /** Machine and process namespace. */
  readonly host: string;
  /** The holder is no more, and somebody else is taking the lock over at this moment. */
  readonly isLeftBehind: boolean;
}

interface Identity {
  readonly pid: number;
  readonly host: string;
  readonly started: string;
  readonly boot: string;
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined; // gone meanwhile, or the system does not have it
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

function processNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return ''; // not Linux: there are none
  }
}

let own: Identity | undefined;
function ownIdentity(): Identity {
  own ??= {
    pid: process.pid,
    host: `${hostname()} ${processNamespace()}`.trim(),
    started: processStart(process.pid),
    boot: readText('/proc/sys/kernel/random/boot_id')?.trim() ?? '',
  };
  return own;
}

function parseIdentity(text: string): Identity | undefined {
  try {
    const value = JSON.parse(text) as Partial<Identity> | null;
    if (typeof value !== 'object' || value === null || !Number.isSafeInteger(value.pid)) return undefined;
    return {
      pid: value.pid as number,
      host: String(value.host),
      started: String(value.started),
      boot: String(value.boot),
    };
  } catch {
    return undefined;
  }
}

function isLeftBehind(file: string, text: string, unseenHolderMillis = UNSEEN_HOLDER_MILLIS): boolean {
  const holder = parseIdentity(text);
  const { host, boot } = ownIdentity();
  if (holder === undefined || holder.host !== host) {
    if (unseenHolderMillis === 0) return true;
    const seen = statSync(file, { throwIfNoEntry: false });
    return seen !== undefined && Date.now() - seen.mtimeMs > unseenHolderMillis;
  }
  if (holder.boot !== boot) return true;
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    // Not permitted means that it runs, as another user.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return true;
  }
  return holder.started !== processStart(holder.pid);
}

/** Links `candidate` into place. False if something is there. */
function tryLink(candidate: string, file: string): boolean {
  try {
    linkSync(candidate, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** A wish for a lock: try as often as is needed, then close. */
export class LockCandidate {
  readonly #file: string;
  readonly #candidate: string;
  readonly #text: string;
  readonly #unseenHolderMillis: number;

  /**
   * A lock whose holder cannot be seen from here counts as left behind when it is older than `unseenHolderMillis`; with 0, at once.
   * Errors: those of the system, where the directory cannot be written.
   */
  constructor(file: string, { unseenHolderMillis = UNSEEN_HOLDER_MILLIS }: { unseenHolderMillis?: number } = {}) {
    const identity = ownIdentity();
    this.#file = file;
    this.#unseenHolderMillis = unseenHolderMillis;
    this.#candidate = `${file}.${identity.pid}-${randomUUID()}`;
    this.#text = JSON.stringify({ ...identity, nonce: randomUUID() });
    writeFileSync(this.#candidate, this.#text, { flag: 'wx', mode: 0o600 });
  }

  /** The lock, or who has it. */
  tryAcquire(): FileLock | LockHolder {
    for (;;) {
      if (tryLink(this.#candidate, this.#file)) return new FileLock(this.#file, this.#text);
      const text = readText(this.#file);
      if (text === undefined) continue; // released meanwhile
      const isFree = isLeftBehind(this.#file, text, this.#unseenHolderMillis);
      if (!isFree || !this.#removeLeftBehind(this.#file, text)) {
        const { pid, host } = parseIdentity(text) ?? { pid: 0, host: '' };
        return { pid, host, isLeftBehind: isFree };
      }
    }
  }

  /**
   * Removes a lock that its holder left behind. Who removes it has to hold a claim that is named after this very lock: so of several that see
   * it only one removes it, and none removes the lock that another took in its place. False: somebody else is at it.
   */
  #removeLeftBehind(file: string, text: string): boolean {
    const claim = `${file}.${createHash('sha256').update(text).digest('hex').slice(0, 16)}`;
    if (!tryLink(this.#candidate, claim)) {
      const claimText = readText(claim);
      // A claim is left behind by a process that was killed right here; it is removed in the same way.
      if (claimText !== undefined && isLeftBehind(claim, claimText)) this.#removeLeftBehind(claim, claimText);
      return false;
    }
    try {
      if (readText(file) === text) unlinkSync(file);
    } finally {
      unlinkSync(claim);
    }
    return true;
  }

  close(): void {
    unlinkSync(this.#candidate);
  }
}

export class FileLock {
  readonly #file: string;
  readonly #text: string;

  constructor(file: string, text: string) {
    this.#file = file;
    this.#text = text;
  }

  /** Still ours. Not so only after a standstill of many minutes. */
  isHeld(): boolean {
    return readText(this.#file) === this.#text;
  }

  release(): void {
    if (this.isHeld()) unlinkSync(this.#file);
  }

  /** Removes what killed processes left of their wishes for this lock. Call it with the lock held. */
  removeAbandonedCandidates(): void {
    const directory = dirname(this.#file);
    const prefix = `${basename(this.#file)}.`;
    for (const name of readdirSync(directory)) {
      if (!name.startsWith(prefix) || !/^\d+-[\da-f-]{36}$/.test(name.slice(prefix.length))) continue;
      const candidate = join(directory, name);
      const text = readText(candidate);
      // Half-written ones have no holder that could be asked: their age decides.
      if (text === undefined || !isLeftBehind(candidate, text)) continue;
      try {
        unlinkSync(candidate);
      } catch {
        // Its owner, or another process that tidies up, was faster.
      }
    }
  }
}
