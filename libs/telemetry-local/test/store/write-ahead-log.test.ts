/** The log under torn writes and flipped bits: whole records survive, and nothing else is taken for one. */
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type LogRecord, LogSegment, readSegment } from '../../dist/write-ahead-log.js';
import { temporaryDirectory } from './store-fixture.js';

const HEADER = { number: 7, firstSequence: 41n, referenceDay: 20_000 };

function record(n: number, body = `body ${n}`): LogRecord {
  const meta = { f: 'protobuf', t: 'acme', p: `Ärger "${n}"\n`, at: 1_780_000_000_000 + n } as const;
  return { sequence: 41n + BigInt(n) * 10n, meta, body: Buffer.from(body) };
}

/** A segment of these records, each written and synced on its own. Gives the file's length after each. */
function writeSegment(directory: string, records: readonly LogRecord[]): { file: string; lengths: number[] } {
  const segment = LogSegment.create(directory, HEADER);
  const lengths = records.map((entry) => {
    segment.append([entry]);
    segment.sync();
    return segment.length;
  });
  segment.close();
  return { file: segment.file, lengths };
}

const plain = (records: readonly LogRecord[]) => records.map((entry) => ({ ...entry, body: Buffer.from(entry.body) }));

describe('a log segment', () => {
  it('gives back what was appended, one by one or as a group', () => {
    const records = [record(0), record(1, ''), record(2, 'x'.repeat(100_000))];
    const { file } = writeSegment(temporaryDirectory(), records);
    const content = readSegment(file);
    expect(content).toMatchObject({ header: HEADER, damaged: [], tornBytes: 0 });
    expect(plain(content.records)).toEqual(plain(records));

    const group = LogSegment.create(temporaryDirectory(), HEADER);
    group.append(records);
    group.close();
    expect(readFileSync(group.file)).toEqual(readFileSync(file));
  });

  it('loses the last record alone, wherever its write was cut off', () => {
    const { file, lengths } = writeSegment(temporaryDirectory(), [record(0), record(1), record(2)]);
    const whole = readFileSync(file);
    const [, second, third] = lengths as [number, number, number];
    for (let length = second; length < third; length++) {
      writeFileSync(file, whole.subarray(0, length));
      const content = readSegment(file);
      expect(plain(content.records)).toEqual(plain([record(0), record(1)]));
      expect(content).toMatchObject({ damaged: [], tornBytes: length - second });
      // A file system may have made the file longer than what reached it.
      writeFileSync(file, Buffer.concat([whole.subarray(0, length), Buffer.alloc(third - length)]));
      const padded = plain(readSegment(file).records);
      expect(padded).toEqual(plain([record(0), record(1)]));
    }
  });

  it('loses the one record in which a bit is flipped, and keeps its bytes aside', () => {
    const records = [record(0), record(1), record(2)];
    const { file, lengths } = writeSegment(temporaryDirectory(), records);
    const whole = readFileSync(file);
    const [first, second] = lengths as [number, number];
    for (let place = first; place < second; place++) {
      const flipped = Buffer.from(whole);
      flipped[place] = flipped[place]! ^ 0x10;
      writeFileSync(file, flipped);
      const content = readSegment(file);
      expect(plain(content.records)).toEqual(plain([record(0), record(2)]));
      expect(content.damaged.map(({ offset, bytes }) => [offset, offset + bytes.length])).toEqual([[first, second]]);
    }
  });

  it('is refused as a whole when its header is damaged', () => {
    const { file } = writeSegment(temporaryDirectory(), [record(0)]);
    const whole = readFileSync(file);
    for (let place = 0; place < 40; place++) {
      const flipped = Buffer.from(whole);
      flipped[place] = flipped[place]! ^ 1;
      writeFileSync(file, flipped);
      expect(() => readSegment(file)).toThrow();
    }
    truncateSync(file, 39);
    expect(() => readSegment(file)).toThrow('shorter than a header');
  });

  it('takes junk for nothing, and never hangs or throws on it', () => {
    const { file, lengths } = writeSegment(temporaryDirectory(), [record(0), record(1)]);
    const whole = readFileSync(file);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(lengths[1]!), (junk, place) => {
        const at = Math.max(40, place);
        writeFileSync(file, Buffer.concat([whole.subarray(0, at), junk, whole.subarray(at)]));
        const known = plain([record(0), record(1)]);
        for (const found of plain(readSegment(file).records)) expect(known).toContainEqual(found);
      }),
    );
  });

  it('counts nothing after it was cut back', () => {
    const segment = LogSegment.create(temporaryDirectory(), HEADER);
    segment.append([record(0)]);
    const length = segment.length;
    segment.append([record(1)]);
    segment.truncate(length);
    segment.append([record(2)]);
    segment.close();
    expect(plain(readSegment(segment.file).records)).toEqual(plain([record(0), record(2)]));
  });

  it('is never made over a file that is there', () => {
    const directory = temporaryDirectory();
    writeFileSync(join(directory, 'seg-000000000007.wal'), 'precious');
    expect(() => LogSegment.create(directory, HEADER)).toThrow('EEXIST');
    expect(readFileSync(join(directory, 'seg-000000000007.wal'), 'utf8')).toBe('precious');
  });
});
