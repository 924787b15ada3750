/**
 * One segment of the log of raw requests: what makes an acknowledgement durable.   Write path: admission -> [write-ahead-log] -> hot table.
 *
 * File:   header (40 bytes): magic, format version, segment number, first sequence, reference day, crc32.
 * Record: magic, length of the payload, crc32 of the payload, payload: sequence, length of the caller's JSON, that JSON, the raw body.
 * All numbers are little endian. A record is whole or it does not count: a torn one at the end was never acknowledged. A damaged one in
 * the middle is skipped by looking for the next magic with a right checksum.
 */
import {
  closeSync,
  fdatasyncSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  unlinkSync,
  writeSync,
  writevSync,
} from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';

const SEGMENT_MAGIC = 'CGNWAL\r\n';
const SEGMENT_FORMAT = 1;
const HEADER_LENGTH = 40;
const RECORD_MAGIC = 0x31_52_47_43; // "CGR1"
const RECORD_HEADER_LENGTH = 12;
const PAYLOAD_HEADER_LENGTH = 12;

/** What is known of a request besides its body. Short names: they stand in every record. */
export interface RecordMeta {
  /** Format of the body. */
  readonly f: 'protobuf' | 'json';
  /** Tenant of the caller's key. */
  readonly t?: string | undefined;
  /** Project of the header. */
  readonly p?: string | undefined;
  /** When it was received, in milliseconds since 1970. */
  readonly at: number;
}

export interface LogRecord {
  /** Sequence of the request's first span; the others follow. */
  readonly sequence: bigint;
  readonly meta: RecordMeta;
  readonly body: Uint8Array;
}

export interface SegmentHeader {
  readonly number: number;
  readonly firstSequence: bigint;
  /** Days since 1970 when the segment began: which day file a span goes to must not depend on when the log is replayed. */
  readonly referenceDay: number;
}

export interface DamagedPart {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

export interface SegmentContent {
  readonly header: SegmentHeader;
  readonly records: LogRecord[];
  /** Parts in the middle of the file that are no record, though records follow. */
  readonly damaged: DamagedPart[];
  /** Bytes after the last whole record. */
  readonly tornBytes: number;
}

export function syncDirectory(directory: string): void {
  const handle = openSync(directory, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

function encodeHeader(header: SegmentHeader): Buffer {
  const bytes = Buffer.alloc(HEADER_LENGTH);
  bytes.write(SEGMENT_MAGIC, 0, 'latin1');
  bytes.writeUInt32LE(SEGMENT_FORMAT, 8);
  bytes.writeInt32LE(header.referenceDay, 12);
  bytes.writeBigUInt64LE(BigInt(header.number), 16);
  bytes.writeBigUInt64LE(header.firstSequence, 24);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 36)), 36);
  return bytes;
}

/** Errors: `Error` when the file is no segment or of a format that is not known. */
function decodeHeader(bytes: Buffer): SegmentHeader {
  if (bytes.length < HEADER_LENGTH) throw new Error('it is shorter than a header');
  if (bytes.toString('latin1', 0, 8) !== SEGMENT_MAGIC) throw new Error('it does not begin like a log segment');
  if (bytes.readUInt32LE(36) !== crc32(bytes.subarray(0, 36))) throw new Error('the checksum of its header is wrong');
  const format = bytes.readUInt32LE(8);
  if (format !== SEGMENT_FORMAT) throw new Error(`its format is ${format}, known is ${SEGMENT_FORMAT}`);
  return {
    referenceDay: bytes.readInt32LE(12),
    number: Number(bytes.readBigUInt64LE(16)),
    firstSequence: bytes.readBigUInt64LE(24),
  };
}

/** Header of the record, with the caller's JSON; the body follows it in the file. */
function encodeRecordHead(record: LogRecord): Buffer {
  const meta = Buffer.from(JSON.stringify(record.meta));
  const head = Buffer.allocUnsafe(RECORD_HEADER_LENGTH + PAYLOAD_HEADER_LENGTH + meta.length);
  head.writeUInt32LE(RECORD_MAGIC, 0);
  head.writeUInt32LE(PAYLOAD_HEADER_LENGTH + meta.length + record.body.length, 4);
  head.writeBigUInt64LE(record.sequence, 12);
  head.writeUInt32LE(meta.length, 20);
  meta.copy(head, 24);
  const ofHead = crc32(head.subarray(RECORD_HEADER_LENGTH));
  // zlib takes an empty block for a new beginning.
  head.writeUInt32LE(record.body.length === 0 ? ofHead : crc32(record.body, ofHead), 8);
  return head;
}

/** The record that begins at `offset`, and where it ends; undefined when none does. */
function decodeRecord(bytes: Buffer, offset: number): { record: LogRecord; end: number } | undefined {
  const payloadStart = offset + RECORD_HEADER_LENGTH;
  if (payloadStart + PAYLOAD_HEADER_LENGTH > bytes.length || bytes.readUInt32LE(offset) !== RECORD_MAGIC) {
    return undefined;
  }
  const end = payloadStart + bytes.readUInt32LE(offset + 4);
  const metaStart = payloadStart + PAYLOAD_HEADER_LENGTH;
  // The checksum of nothing is 0, so a header that ends in zeros would pass for a record without content.
  if (
    end < metaStart ||
    end > bytes.length ||
    crc32(bytes.subarray(payloadStart, end)) !== bytes.readUInt32LE(offset + 8)
  ) {
    return undefined;
  }
  const bodyStart = metaStart + bytes.readUInt32LE(payloadStart + 8);
  const record: LogRecord = {
    sequence: bytes.readBigUInt64LE(payloadStart),
    meta: JSON.parse(bytes.toString('utf8', metaStart, bodyStart)) as RecordMeta,
    body: bytes.subarray(bodyStart, end),
  };
  return { record, end };
}

/** Errors: `Error` that says in half a sentence why the whole file cannot be read. */
export function readSegment(file: string): SegmentContent {
  const bytes = readFileSync(file);
  const header = decodeHeader(bytes);
  const records: LogRecord[] = [];
  const damaged: DamagedPart[] = [];
  const magic = Buffer.alloc(4);
  magic.writeUInt32LE(RECORD_MAGIC);
  let offset = HEADER_LENGTH;
  let lastGood = HEADER_LENGTH;
  while (offset < bytes.length) {
    const decoded = decodeRecord(bytes, offset);
    if (decoded === undefined) {
      const next = bytes.indexOf(magic, offset + 1);
      if (next === -1) break;
      offset = next;
      continue;
    }
    if (lastGood < offset) damaged.push({ offset: lastGood, bytes: bytes.subarray(lastGood, offset) });
    records.push(decoded.record);
    offset = decoded.end;
    lastGood = offset;
  }
  return { header, records, damaged, tornBytes: bytes.length - lastGood };
}

export function segmentFileName(number: number): string {
  return `seg-${String(number).padStart(12, '0')}.wal`;
}

/** A segment that is being written. */
export class LogSegment {
  readonly file: string;
  readonly header: SegmentHeader;
  readonly #handle: number;
  #length = HEADER_LENGTH;
  #closed = false;

  private constructor(file: string, header: SegmentHeader, handle: number) {
    this.file = file;
    this.header = header;
    this.#handle = handle;
  }

  /**
   * Makes the file, durable with its name; with `probeBytes` after it wrote and synced as many, and cut them off again.
   * Errors: those of the file system; then there is no such file.
   */
  static create(directory: string, header: SegmentHeader, probeBytes = 0): LogSegment {
    const file = join(directory, segmentFileName(header.number));
    const handle = openSync(file, 'wx', 0o600);
    try {
      const bytes = encodeHeader(header);
      const block = Buffer.concat([bytes, Buffer.alloc(probeBytes)]);
      if (writeSync(handle, block) !== block.length) throw new Error('the header was written in part only');
      fdatasyncSync(handle);
      if (probeBytes > 0) {
        ftruncateSync(handle, bytes.length);
        fdatasyncSync(handle);
      }
      syncDirectory(directory);
    } catch (error) {
      closeSync(handle);
      unlinkSync(file);
      throw error;
    }
    return new LogSegment(file, header, handle);
  }

  /** Bytes in the file. */
  get length(): number {
    return this.#length;
  }

  /** Writes records in one call; they are durable after `sync`. Errors: those of the file system, then none of them counts. */
  append(records: readonly LogRecord[]): void {
    const blocks: Uint8Array[] = [];
    let length = 0;
    for (const record of records) {
      const head = encodeRecordHead(record);
      blocks.push(head, record.body);
      length += head.length + record.body.length;
    }
    const written = writevSync(this.#handle, blocks, this.#length);
    if (written !== length) throw new Error(`only ${written} of ${length} bytes were written`);
    this.#length += length;
  }

  sync(): void {
    fdatasyncSync(this.#handle);
  }

  /** Forgets what was written past `length`. */
  truncate(length: number): void {
    ftruncateSync(this.#handle, length);
    this.#length = length;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.#handle);
  }
}
