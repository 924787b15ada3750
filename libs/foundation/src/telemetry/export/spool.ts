/**
 * Requests that could not be delivered, on disk until they can.   Write path: beside retry-sender; optional.
 *
 * Layout: `<directory>/<process>/<destination>-<number>.seg`, with `owner.json` saying whose it is, and `<segment>.done` how far it has been
 * delivered. A process writes only below its own directory; what a dead one left is taken over by renaming it, which only one can do.
 * A record is `magic, meta length, body length, crc32 of both, meta (JSON), body`.
 */
import { createHash, randomBytes } from 'node:crypto';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { crc32 } from 'node:zlib';
import type { Clock } from './clock.js';
import type { PipelineLogger } from './pipeline-logger.js';

const MAGIC = 0x43675331; // "CgS1"
const HEADER_BYTES = 16;
const MAX_META_BYTES = 4 * 1024 * 1024;
const SEGMENT_BYTES = 8 * 1024 * 1024;
/** After the disk failed, how long it is left alone, in milliseconds. */
const FAILURE_PAUSE_MILLIS = 5000;
const SEGMENT_NAME = /^([0-9a-f]{16})-(\d{12})\.seg$/;
const PROCESS_NAME = /^process-[0-9a-f]{16}$/;

export interface SpoolOptions {
  readonly directory: string;
  /** Bytes on disk, all segments of this process. Default 1 GiB. */
  readonly maxBytes?: number | undefined;
  /** Older records are dropped as `spool_expired`. Default one day. */
  readonly maxAgeSeconds?: number | undefined;
  /** A record counts as spooled only when it is synced to the disk. Default false: when it is written. */
  readonly fsync?: boolean | undefined;
}

/** How many spans of a tenant are in a record. */
export interface SpoolShare {
  readonly tenantId: string;
  readonly count: number;
}

export interface SpoolEntry {
  readonly shares: readonly SpoolShare[];
  /** Milliseconds since 1970. */
  readonly writtenAt: number;
  readonly segment: Segment;
  readonly offset: number;
  readonly length: number;
}

interface Segment {
  readonly file: string;
  /** When its first record was written; segments are delivered in this order. */
  since: number;
  /** Bytes written. */
  size: number;
  /** Records without their fate. */
  live: number;
  sealed: boolean;
}

interface Destination {
  /** Oldest first. */
  readonly entries: SpoolEntry[];
  current: Segment | undefined;
}

export type AppendResult = 'spooled' | 'full' | 'failed';

export class Spool {
  readonly #own: string;
  readonly #maxBytes: number;
  readonly #maxAgeMillis: number;
  readonly #fsync: boolean;
  readonly #clock: Clock;
  readonly #logger: PipelineLogger;
  readonly #destinations = new Map<string, Destination>();
  #bytes = 0;
  #number = 0;
  #failedUntil = Number.NEGATIVE_INFINITY;
  /** Writes one after the other. */
  #work: Promise<unknown> = Promise.resolve();
  /** Records that could not be read when they were taken over; how many spans they held is not known. */
  corruptRecords = 0;

  private constructor(own: string, options: SpoolOptions, clock: Clock, logger: PipelineLogger) {
    this.#own = own;
    this.#maxBytes = options.maxBytes ?? 1024 ** 3;
    this.#maxAgeMillis = (options.maxAgeSeconds ?? 86_400) * 1000;
    this.#fsync = options.fsync ?? false;
    this.#clock = clock;
    this.#logger = logger;
  }

  /** Never rejects over what it finds: what is damaged or foreign is reported and left. Rejects if the directory cannot be made. */
  static async open(options: SpoolOptions, clock: Clock, logger: PipelineLogger): Promise<Spool> {
    await fs.mkdir(options.directory, { recursive: true, mode: 0o700 });
    const own = path.join(options.directory, `process-${randomBytes(8).toString('hex')}`);
    await makeProcessDirectory(own);
    const spool = new Spool(own, options, clock, logger);
    await spool.#takeOver(options.directory);
    return spool;
  }

  async #takeOver(directory: string): Promise<void> {
    for (const name of (await fs.readdir(directory)).sort()) {
      const place = path.join(directory, name);
      if (place === this.#own) continue;
      try {
        if (!PROCESS_NAME.test(name)) {
          if (!name.endsWith('.new')) this.#logger.warn(`spool: ${name} is not ours and is left alone`);
        } else if (!(await isAlive(place))) {
          const taken = path.join(this.#own, `taken-${name}`);
          await fs.rename(place, taken);
          await this.#recover(taken);
        }
      } catch (error) {
        this.#logger.warn(`spool: ${name} cannot be taken over: ${(error as Error).message}`);
      }
    }
    for (const { entries } of this.#destinations.values()) {
      // Within a segment always in the order of the file: `.done` is one position.
      entries.sort(
        (a, b) =>
          a.segment.since - b.segment.since || a.segment.file.localeCompare(b.segment.file) || a.offset - b.offset,
      );
    }
  }

  /** Finds the records of a directory taken over, those of processes before it included. */
  async #recover(directory: string): Promise<void> {
    for (const found of await fs.readdir(directory, { withFileTypes: true })) {
      const file = path.join(directory, found.name);
      const match = SEGMENT_NAME.exec(found.name);
      if (found.isDirectory() && found.name.startsWith('taken-')) await this.#recover(file);
      else if (match !== null && found.isFile()) await this.#recoverSegment(file, match[1]!);
      else if (found.name !== 'owner.json' && !found.name.endsWith('.done')) {
        this.#logger.warn(`spool: ${found.name} is no segment and is left alone`);
      }
    }
  }

  async #recoverSegment(file: string, destination: string): Promise<void> {
    const content = await fs.readFile(file);
    const delivered = await fs.readFile(`${file}.done`, 'utf8').then(Number, () => 0);
    const segment: Segment = { file, since: 0, size: content.length, live: 0, sealed: true };
    this.#bytes += segment.size;
    let at = Number.isSafeInteger(delivered) && delivered > 0 ? delivered : 0;
    while (at < content.length) {
      const record = parseRecord(content, at);
      if (record === undefined) {
        // A torn tail ends the segment; anything else is skipped up to what looks like the next record.
        const next = content.indexOf(MAGIC_BYTES, at + 1);
        if (next >= 0 || content.length - at >= HEADER_BYTES) this.corruptRecords += 1;
        if (next < 0) break;
        at = next;
        continue;
      }
      if (segment.live === 0) segment.since = record.meta.writtenAt;
      this.#destination(destination).entries.push({ ...record.meta, segment, offset: at, length: record.length });
      segment.live += 1;
      at += record.length;
    }
    if (segment.live === 0) await this.#remove(segment);
  }

  #destination(hash: string): Destination {
    let destination = this.#destinations.get(hash);
    if (destination === undefined) {
      destination = { entries: [], current: undefined };
      this.#destinations.set(hash, destination);
    }
    return destination;
  }

  /** Spans per tenant that were taken over, for the ledger. */
  recovered(): SpoolShare[] {
    const counts = new Map<string, number>();
    for (const { entries } of this.#destinations.values()) {
      for (const { shares } of entries) {
        for (const { tenantId, count } of shares) counts.set(tenantId, (counts.get(tenantId) ?? 0) + count);
      }
    }
    return [...counts].map(([tenantId, count]) => ({ tenantId, count }));
  }

  /** Bytes on disk. */
  get bytes(): number {
    return this.#bytes;
  }

  /** A request of `bytes` bytes may be written now. */
  hasRoom(bytes: number): boolean {
    return this.#bytes + bytes <= this.#maxBytes && this.#clock.monotonicMillis() >= this.#failedUntil;
  }

  /** Records that wait for a destination, by its target's key. */
  waiting(key: string): number {
    return this.#destinations.get(hashOf(key))?.entries.length ?? 0;
  }

  /** Writes a request. `full`: it would exceed the bound; `failed`: the disk did. Never rejects; `body` is not kept. */
  append(key: string, shares: readonly SpoolShare[], body: Uint8Array): Promise<AppendResult> {
    return this.#serially(async () => {
      const hash = hashOf(key);
      const destination = this.#destination(hash);
      const writtenAt = this.#clock.wallMillis();
      const meta = Buffer.from(JSON.stringify({ writtenAt, shares }));
      const header = Buffer.alloc(HEADER_BYTES);
      header.writeUInt32BE(MAGIC, 0);
      header.writeUInt32BE(meta.length, 4);
      header.writeUInt32BE(body.length, 8);
      header.writeUInt32BE(crc32(body, crc32(meta)), 12);
      const length = HEADER_BYTES + meta.length + body.length;
      if (this.#bytes + length > this.#maxBytes) return 'full';
      const segment = this.#currentSegment(destination, hash);
      try {
        await this.#write(segment, [header, meta, body], length);
      } catch (error) {
        this.#failedUntil = this.#clock.monotonicMillis() + FAILURE_PAUSE_MILLIS;
        this.#logger.warn(`spool: a request could not be written: ${(error as Error).message}`);
        segment.sealed = true; // what is behind its last record is of no one
        destination.current = undefined;
        return 'failed';
      }
      destination.entries.push({ shares, writtenAt, segment, offset: segment.size, length });
      segment.size += length;
      segment.live += 1;
      this.#bytes += length;
      return 'spooled';
    });
  }

  #currentSegment(destination: Destination, hash: string): Segment {
    const { current } = destination;
    if (current !== undefined && current.size < SEGMENT_BYTES) return current;
    if (current !== undefined) current.sealed = true;
    this.#number += 1;
    const file = path.join(this.#own, `${hash}-${String(this.#number).padStart(12, '0')}.seg`);
    destination.current = { file, since: this.#clock.wallMillis(), size: 0, live: 0, sealed: false };
    return destination.current;
  }

  async #write(segment: Segment, parts: Uint8Array[], length: number): Promise<void> {
    const handle = await fs.open(segment.file, 'a', 0o600).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
      await makeProcessDirectory(this.#own); // somebody removed it
      return fs.open(segment.file, 'a', 0o600);
    });
    try {
      const { bytesWritten } = await handle.writev(parts);
      if (bytesWritten !== length) throw new Error(`only ${bytesWritten} of ${length} bytes were written`);
      if (this.#fsync) await handle.datasync();
    } finally {
      await handle.close();
    }
  }

  /** The oldest record of a destination, or undefined. It stays until it is settled. */
  peek(key: string): { entry: SpoolEntry; expired: boolean } | undefined {
    const entry = this.#destinations.get(hashOf(key))?.entries[0];
    if (entry === undefined) return undefined;
    return { entry, expired: this.#clock.wallMillis() - entry.writtenAt > this.#maxAgeMillis };
  }

  /** The bytes of a record's request; undefined if they cannot be read, or are not what was written. */
  async read(entry: SpoolEntry): Promise<Uint8Array | undefined> {
    try {
      const handle = await fs.open(entry.segment.file, 'r');
      try {
        const bytes = Buffer.alloc(entry.length);
        await handle.read(bytes, 0, entry.length, entry.offset);
        return parseRecord(bytes, 0)?.body;
      } finally {
        await handle.close();
      }
    } catch (error) {
      this.#logger.warn(`spool: a record cannot be read: ${(error as Error).message}`);
      return undefined;
    }
  }

  /** The oldest record has its fate. Never rejects. */
  settle(key: string, entry: SpoolEntry): Promise<void> {
    const destination = this.#destinations.get(hashOf(key));
    if (destination?.entries[0] !== entry) return Promise.resolve();
    destination.entries.shift();
    const { segment } = entry;
    segment.live -= 1;
    return this.#serially(async () => {
      try {
        if (segment.live > 0) {
          await fs.writeFile(`${segment.file}.done`, String(entry.offset + entry.length), { mode: 0o600 });
          return;
        }
        if (destination.current === segment) destination.current = undefined;
        await this.#remove(segment);
      } catch (error) {
        this.#logger.warn(`spool: a delivered segment cannot be removed: ${(error as Error).message}`);
      }
    });
  }

  async #remove(segment: Segment): Promise<void> {
    await fs.rm(segment.file, { force: true });
    await fs.rm(`${segment.file}.done`, { force: true });
    this.#bytes -= segment.size;
    segment.size = 0;
  }

  #serially<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#work.then(work);
    this.#work = done;
    return done;
  }

  /** Resolves when everything written is written; an empty directory is removed. */
  async close(): Promise<void> {
    await this.#serially(async () => {
      const empty = [...this.#destinations.values()].every(({ entries }) => entries.length === 0);
      if (empty) await fs.rm(this.#own, { recursive: true, force: true });
      // Else it has no owner from here on, so that the next process takes it over.
      else await fs.rm(path.join(this.#own, 'owner.json'), { force: true });
    });
  }
}

const MAGIC_BYTES = Buffer.from([0x43, 0x67, 0x53, 0x31]);

function hashOf(key: string): string {
  return createHash('sha256').update(key).digest('hex').slice(0, 16);
}

interface ParsedRecord {
  readonly meta: { readonly shares: readonly SpoolShare[]; readonly writtenAt: number };
  readonly body: Uint8Array;
  readonly length: number;
}

function parseRecord(bytes: Buffer, at: number): ParsedRecord | undefined {
  if (bytes.length - at < HEADER_BYTES || bytes.readUInt32BE(at) !== MAGIC) return undefined;
  const metaLength = bytes.readUInt32BE(at + 4);
  const bodyLength = bytes.readUInt32BE(at + 8);
  const length = HEADER_BYTES + metaLength + bodyLength;
  if (metaLength > MAX_META_BYTES || length > bytes.length - at) return undefined;
  const content = bytes.subarray(at + HEADER_BYTES, at + length);
  if (crc32(content) !== bytes.readUInt32BE(at + 12)) return undefined;
  try {
    const meta = JSON.parse(content.toString('utf8', 0, metaLength)) as ParsedRecord['meta'];
    return { meta: { shares: meta.shares, writtenAt: meta.writtenAt }, body: content.subarray(metaLength), length };
  } catch {
    return undefined; // a checksum that fits what no writer of ours wrote
  }
}

interface Owner {
  readonly pid: number;
  readonly host: string;
  /** Of the process, where the system tells: process ids are used again. */
  readonly startedAt: string;
}

/** Complete with its owner before it has its name: nobody ever sees it without one. */
async function makeProcessDirectory(directory: string): Promise<void> {
  const unnamed = `${directory}.new`;
  await fs.mkdir(unnamed, { recursive: true, mode: 0o700 });
  await fs.writeFile(path.join(unnamed, 'owner.json'), JSON.stringify(await thisProcess()), { mode: 0o600 });
  await fs.rename(unnamed, directory);
}

async function thisProcess(): Promise<Owner> {
  return { pid: process.pid, host: os.hostname(), startedAt: await startTime(process.pid) };
}

/** Start time of a process on Linux, in ticks; empty where that is not to be had. */
async function startTime(pid: number): Promise<string> {
  const stat = await fs.readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}

/** Whether a process directory's owner still runs. Of another host that cannot be told: it counts as running. */
async function isAlive(directory: string): Promise<boolean> {
  const text = await fs.readFile(path.join(directory, 'owner.json'), 'utf8').catch(() => undefined);
  if (text === undefined) return false; // closed in good order
  let owner: Owner;
  try {
    owner = JSON.parse(text) as Owner;
  } catch {
    return false; // torn as its process was killed
  }
  if (owner.host !== os.hostname()) return true;
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  return (await startTime(owner.pid)) === owner.startedAt;
}
