/**
 * What the spans of a block have: which values, which fragments their texts have, numbers from where to where. Reads leave out the blocks that cannot hold what is asked for.
 * Write path: segment -> [blocks] -> flush.
 *
 * A block is up to 1,024 spans of one project and day that came one after another with the same segment. All that is said of them is hashed (`block-hash.ts`), but for numbers
 * and the project. It says nothing of where rows stand in the file, so it stays right when they are moved; and it may say more than there is, never less.
 */
import type { AnyValue, Attributes, OtlpSpan } from '@cogniverse/foundation/otlp';
import { sessionIdOf } from '@cogniverse/foundation/store';
import type { DuckDBAppender } from '@duckdb/node-api';
import {
  addFragments,
  FIELD,
  FRAGMENT_BITS,
  idHash,
  KIND,
  MAX_VALUE_LENGTH,
  mixed,
  numberHash,
  textHash,
} from './block-hash.js';
import { NUMBER_BYTES, PROBES } from './filled-block.js';
import type { ProjectKey } from './project-key.js';

/**
 * Of a day file. `filter`, `fragments`: bits, a power of two of them, as words of 32, the lowest first. `numbers`: for each numeric attribute the hash of
 * its key (4 bytes, 4 more are 0), its least and its greatest value (8 bytes each); little-endian all of them.
 * `seg` is that of the rows; those of a segment without blocks in a file are looked for without them.
 */
export const BLOCK_COLUMNS = `
  seg BIGINT NOT NULL,
  project_key BIGINT NOT NULL,
  tenant_id VARCHAR,
  project VARCHAR NOT NULL,
  spans INTEGER NOT NULL,
  first_ns BIGINT NOT NULL,
  last_ns BIGINT NOT NULL,
  filter BLOB NOT NULL,
  fragments BLOB NOT NULL,
  numbers BLOB NOT NULL`;

const BLOCK_SPANS = 1024;
/** A filter is made as small as it can be with at most this share of its bits set: of values that are not there, one of 100 or fewer seems to be. */
const FULL_FILTER = 0.5;
/** Fragments set one bit each, and a text that is asked for has several. */
const FULL_FRAGMENTS = 0.4;
const MAX_FILTER_BITS = 2 ** 20;
/** Texts of fewer letters wait as they are, because the bits of fragments would take more memory. */
const WAITING_LETTERS = 2 ** (FRAGMENT_BITS - 3);
const MAX_KEYS = 10_000;
/** A number as JSON writes it: conditions compare such text as a number. */
const NUMBER_TEXT = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

export interface BlockHead {
  readonly spans: number;
  /** Earliest and latest start in nanoseconds. */
  readonly first: bigint;
  readonly last: bigint;
}

/** A block with all that is known of it. */
export interface Block extends BlockHead {
  readonly project: ProjectKey;
  readonly filter: Uint8Array;
  readonly fragments: Uint8Array;
  readonly numbers: Uint8Array;
}

/** An attribute's key, and what came with it last. */
interface KnownKey {
  readonly hash: number;
  block: OpenBlock | undefined;
  /** The last string; undefined before the first of the block. */
  text: string | undefined;
  isNested: boolean;
}

function unseen(hash: number): KnownKey {
  return { hash, block: undefined, text: undefined, isNested: false };
}

function bytesOf(words: Uint32Array): Uint8Array {
  return new Uint8Array(words.buffer.slice(words.byteOffset, words.byteOffset + words.byteLength));
}

function countBits(words: Uint32Array, length: number): number {
  let count = 0;
  for (let i = 0; i < length; i++) {
    let word = words[i]!;
    word -= (word >>> 1) & 0x55555555;
    word = (word & 0x33333333) + ((word >>> 2) & 0x33333333);
    count += Math.imul((word + (word >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
  }
  return count;
}

/** Halves the bits, one half laid upon the other, as long as the result is not too full. What is looked for has its bit at its number modulo their count. */
function folded(words: Uint32Array, full: number): Uint8Array {
  let { length } = words;
  let best = words;
  while (length > 1) {
    const half = new Uint32Array(length / 2);
    for (let i = 0; i < half.length; i++) half[i] = best[i]! | best[i + half.length]!;
    length = half.length;
    if (countBits(half, length) > full * length * 32) break;
    best = half;
  }
  return bytesOf(best);
}

function filterOf(hashes: Int32Array): Uint8Array {
  let bits = 32;
  while (bits < hashes.length * 16 && bits < MAX_FILTER_BITS) bits *= 2;
  const words = new Uint32Array(bits / 32);
  for (const first of hashes) {
    const step = mixed(first) | 1;
    let hash = first;
    for (let i = 0; i < PROBES; i++) {
      const bit = hash & (bits - 1);
      words[bit >>> 5]! |= 1 << (bit & 31);
      hash = (hash + step) | 0;
    }
  }
  return folded(words, FULL_FILTER);
}

class OpenBlock {
  readonly project: ProjectKey;
  spans = 0;
  first: bigint;
  last: bigint;
  #hashes = new Int32Array(64);
  #count = 0;
  readonly #numbers = new Map<number, { least: number; greatest: number }>();
  #fragments: Uint32Array | undefined;
  #waiting: string[] = [];
  #letters = 0;

  constructor(project: ProjectKey, start: bigint) {
    this.project = project;
    this.first = start;
    this.last = start;
  }

  add(hash: number): void {
    if (this.#count === this.#hashes.length) {
      const larger = new Int32Array(this.#count * 2);
      larger.set(this.#hashes);
      this.#hashes = larger;
    }
    this.#hashes[this.#count++] = hash;
  }

  addNumber(keyHash: number, value: number): void {
    const known = this.#numbers.get(keyHash);
    if (known === undefined) {
      this.#numbers.set(keyHash, { least: value, greatest: value });
    } else {
      if (value < known.least) known.least = value;
      if (value > known.greatest) known.greatest = value;
    }
  }

  addText(text: string): void {
    if (this.#fragments !== undefined) {
      addFragments(text, this.#fragments);
      return;
    }
    this.#waiting.push(text);
    this.#letters += text.length;
    if (this.#letters > WAITING_LETTERS) {
      this.#fragments = this.#fragmentsSoFar();
      this.#waiting = [];
    }
  }

  #fragmentsSoFar(): Uint32Array {
    const fragments = this.#fragments ?? new Uint32Array(2 ** (FRAGMENT_BITS - 5));
    for (const text of this.#waiting) addFragments(text, fragments);
    return fragments;
  }

  /** As it is by now; more may be added afterwards. */
  block(): Block {
    const numbers = Buffer.alloc(this.#numbers.size * NUMBER_BYTES);
    let at = 0;
    for (const [key, { least, greatest }] of this.#numbers) {
      numbers.writeInt32LE(key, at);
      numbers.writeDoubleLE(least, at + 8);
      numbers.writeDoubleLE(greatest, at + 16);
      at += NUMBER_BYTES;
    }
    return {
      project: this.project,
      spans: this.spans,
      first: this.first,
      last: this.last,
      filter: filterOf(this.#hashes.subarray(0, this.#count)),
      fragments: folded(this.#fragmentsSoFar(), FULL_FRAGMENTS),
      numbers,
    };
  }
}

interface BlocksOfProject {
  readonly full: Block[];
  open: OpenBlock | undefined;
}

/** The blocks of a segment while its rows arrive, by day and project. */
export class GrowingBlocks {
  readonly #days = new Map<number, Map<bigint, BlocksOfProject>>();
  readonly #keys = new Map<string, KnownKey>();
  readonly #name = unseen(FIELD.name);
  readonly #kind = unseen(FIELD.kind);
  readonly #session = unseen(FIELD.session);
  /** Of the row before. */
  #last: { day: number; project: ProjectKey; blocks: BlocksOfProject } | undefined;

  /** Projects of the rows, by id. */
  readonly projects = new Map<string, ProjectKey>();

  add(day: number, project: ProjectKey, span: OtlpSpan): void {
    const blocks = this.#blocksOf(day, project);
    const start = span.startTimeUnixNano;
    blocks.open ??= new OpenBlock(project, start);
    const block = blocks.open;
    block.spans += 1;
    if (start < block.first) block.first = start;
    if (start > block.last) block.last = start;
    block.add(idHash(FIELD.trace, span.traceId));
    block.add(idHash(FIELD.span, span.spanId));
    if (span.parentSpanId === '') block.add(FIELD.root);
    else block.add(idHash(FIELD.span, span.parentSpanId));
    this.#addField(block, this.#name, span.name);
    block.add(mixed(FIELD.status + span.status.code));
    this.#addAttributes(block, span.attributes);
    if (block.spans === BLOCK_SPANS) {
      blocks.full.push(block.block());
      blocks.open = undefined;
    }
  }

  #blocksOf(day: number, project: ProjectKey): BlocksOfProject {
    if (this.#last !== undefined && this.#last.day === day && this.#last.project === project) return this.#last.blocks;
    let ofDay = this.#days.get(day);
    if (ofDay === undefined) {
      ofDay = new Map();
      this.#days.set(day, ofDay);
    }
    let blocks = ofDay.get(project.key);
    if (blocks === undefined) {
      this.projects.set(project.id, project);
      blocks = { full: [], open: undefined };
      ofDay.set(project.key, blocks);
    }
    this.#last = { day, project, blocks };
    return blocks;
  }

  #key(key: string): KnownKey {
    let known = this.#keys.get(key);
    if (known === undefined) {
      if (this.#keys.size >= MAX_KEYS) this.#keys.clear();
      known = unseen(textHash(0, key));
      this.#keys.set(key, known);
    }
    return known;
  }

  #addField(block: OpenBlock, key: KnownKey, text: string): void {
    if (key.block === block && key.text === text) return;
    key.block = block;
    key.text = text;
    block.add(textHash(key.hash, text));
  }

  #addAttributes(block: OpenBlock, attributes: Attributes): void {
    const session = sessionIdOf(attributes);
    if (session !== undefined) this.#addField(block, this.#session, session);
    const kind = attributes.get('openinference.span.kind');
    this.#addField(block, this.#kind, (typeof kind === 'string' && kind.toUpperCase()) || 'UNKNOWN');
    for (const [key, value] of attributes) this.#addValue(block, key, value);
  }

  #addValue(block: OpenBlock, name: string, value: AnyValue): void {
    const key = this.#key(name);
    const isFirst = key.block !== block;
    if (isFirst) {
      key.block = block;
      key.text = undefined;
      key.isNested = false;
      block.add(mixed(key.hash + KIND.any));
    }
    switch (typeof value) {
      case 'string':
        // The same as the last one is here already.
        if (value !== key.text) this.#addString(block, key, value);
        return;
      case 'number':
        this.#addNumber(block, key.hash, value);
        return;
      case 'bigint':
        this.#addNumber(block, key.hash, Number(value));
        return;
      case 'boolean':
        block.add(mixed(key.hash + (value ? KIND.isTrue : KIND.isFalse)));
        return;
      default:
        // What is inside is not told: whoever asks for something there reads the block.
        if (isFirst || !key.isNested) block.add(mixed(key.hash + KIND.nested));
        key.isNested = true;
    }
  }

  #addString(block: OpenBlock, key: KnownKey, value: string): void {
    key.text = value;
    if (value.length <= MAX_VALUE_LENGTH) {
      block.add(textHash(key.hash, value));
      const code = value.charCodeAt(0);
      if ((code === 45 || (code >= 48 && code <= 57)) && NUMBER_TEXT.test(value))
        block.addNumber(key.hash, Number(value));
    }
    block.addText(value);
  }

  #addNumber(block: OpenBlock, keyHash: number, value: number): void {
    if (Number.isNaN(value)) return;
    block.addNumber(keyHash, value);
    // Of numbers with a fraction nearly each would be a value of its own, and hardly anyone asks for one.
    if (Number.isInteger(value)) block.add(numberHash(keyHash, value));
  }

  /** Days that rows have come for. */
  get days(): number[] {
    return [...this.#days.keys()];
  }

  /** Those of a day, by project. */
  of(day: number): Block[] {
    const blocks: Block[] = [];
    for (const { full, open } of this.#days.get(day)?.values() ?? []) {
      blocks.push(...full);
      if (open !== undefined) blocks.push(open.block());
    }
    return blocks.sort((a, b) => (a.project.key < b.project.key ? -1 : a.project.key > b.project.key ? 1 : 0));
  }
}

/** In the order of `BLOCK_COLUMNS`. */
export function appendBlock(appender: DuckDBAppender, segment: number, block: Block): void {
  const { project } = block;
  appender.appendBigInt(BigInt(segment));
  appender.appendBigInt(project.key);
  if (project.tenantId === null) appender.appendNull();
  else appender.appendVarchar(project.tenantId);
  appender.appendVarchar(project.name);
  appender.appendInteger(block.spans);
  appender.appendBigInt(block.first);
  appender.appendBigInt(block.last);
  appender.appendBlob(block.filter);
  appender.appendBlob(block.fragments);
  appender.appendBlob(block.numbers);
  appender.endRow();
}
