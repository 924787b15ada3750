/**
 * The spans of a project in the order of their starts, some blocks at a time, without the blocks that cannot hold what is asked for.
 * Read path: span-query, trace-query -> [block-steps] -> snapshot.
 *
 * A page needs the first rows only: what was not read yet cannot come before the bound that each step gives. Days are looked at when it is their turn.
 */
import type { DayFile } from '../day-file.js';
import { NANOS_PER_DAY, OTHER_DAYS } from '../day-files.js';
import type { StoreEngine } from '../engine.js';
import type { StoredBlock } from '../filled-block.js';
import type { NanosRange, Snapshot, TimeSpan } from '../snapshot.js';
import type { BlockTest } from './block-tests.js';

/** Spans of the first step, and of the first one of those that are tested row by row. */
const FIRST_SPANS = 1024;
const FIRST_TESTED = 4096;
/** How many times as many the next step reads, at least and at most. */
const LEAST_GROWTH = 2;
const MOST_GROWTH = 16;
/** The next step is to find somewhat more than what is missing. */
const SURPLUS = 1.3;
/** Stretches of time in one statement for one file; of more the nearest are joined. */
const MAX_STRETCHES = 16;

/** What is asked of the blocks of a project. */
export interface BlockQuestion {
  /** Of the project. */
  readonly key: bigint;
  readonly range: NanosRange;
  readonly order: 'asc' | 'desc';
  readonly tests: readonly BlockTest[];
  /** Rows that the page needs. */
  readonly rows: number;
  /** Rows are tested one by one, so a block may give none of them. */
  readonly isFiltered: boolean;
  /** Few blocks hold what is asked for, wherever they are: one step for all. */
  readonly isSelective: boolean;
}

/** Rows of a file to be read: those that start within these times. */
export interface Stretches {
  readonly file: DayFile;
  readonly times: readonly TimeSpan[];
}

export interface Step {
  readonly stretches: readonly Stretches[];
  /** Whether a row that starts at this time can no longer be preceded by a row of a later step. */
  readonly isFinal: (start: bigint) => boolean;
}

interface Candidate {
  readonly file: DayFile;
  readonly block: StoredBlock;
}

/** Times that hold all of these: as few as possible, but without much in between. */
export function stretchesOf(blocks: readonly TimeSpan[]): TimeSpan[] {
  const times: { first: bigint; last: bigint }[] = [];
  for (const { first, last } of [...blocks].sort((a, b) => Number(a.first > b.first) - Number(a.first < b.first))) {
    const before = times.at(-1);
    if (before === undefined || first > before.last) times.push({ first, last });
    else if (last > before.last) before.last = last;
  }
  if (times.length <= MAX_STRETCHES) return times;
  const gaps = times.slice(1).map(({ first }, i) => first - times[i]!.last);
  const least = [...gaps].sort((a, b) => Number(b > a) - Number(b < a))[MAX_STRETCHES - 2]!;
  const joined = [times[0]!];
  times.slice(1).forEach((time, i) => {
    if (gaps[i]! > least) joined.push(time);
    else joined.at(-1)!.last = time.last;
  });
  return joined;
}

function byFile(candidates: readonly Candidate[]): Stretches[] {
  const files = new Map<DayFile, StoredBlock[]>();
  for (const { file, block } of candidates) {
    const blocks = files.get(file);
    if (blocks === undefined) files.set(file, [block]);
    else blocks.push(block);
  }
  return Array.from(files, ([file, blocks]) => ({ file, times: stretchesOf(blocks) }));
}

/** All that may be found in the day files, in no order. */
export async function stretches(
  engine: StoreEngine,
  snapshot: Snapshot,
  question: Pick<BlockQuestion, 'key' | 'range' | 'tests'>,
): Promise<Stretches[]> {
  const files = snapshot.daysIn(question.range);
  const found = await Promise.all(files.map((file) => candidatesOf(engine, snapshot, file, question, true)));
  return byFile(found.flat());
}

async function candidatesOf(
  engine: StoreEngine,
  snapshot: Snapshot,
  file: DayFile,
  { key, range: { start, end }, tests }: Pick<BlockQuestion, 'key' | 'range' | 'tests'>,
  tested: boolean,
): Promise<Candidate[]> {
  const blocks = await engine.blocksOf(file, key, tested && tests.length > 0);
  const found: Candidate[] = [];
  for (const block of blocks) {
    const { segment, first, last, filled } = block;
    if (segment > snapshot.watermark) continue;
    if ((end !== undefined && first >= end) || (start !== undefined && last < start)) continue;
    if (!tested || filled === undefined || tests.every((test) => test(filled))) found.push({ file, block });
  }
  return found;
}

/** Without those that cannot hold what is asked for. What came to be known otherwise meanwhile stays. */
async function sieved(
  engine: StoreEngine,
  { key, tests }: BlockQuestion,
  candidates: readonly Candidate[],
): Promise<Candidate[]> {
  const idOf = (file: DayFile, { first, last, spans }: StoredBlock) => `${file.day}:${first}:${last}:${spans}`;
  const isOut = new Map<string, boolean>();
  for (const file of new Set(candidates.map((one) => one.file))) {
    for (const block of await engine.blocksOf(file, key, true)) {
      const { filled } = block;
      const id = idOf(file, block);
      isOut.set(id, (isOut.get(id) ?? true) && filled !== undefined && !tests.every((test) => test(filled)));
    }
  }
  return candidates.filter(({ file, block }) => isOut.get(idOf(file, block)) !== true);
}

/** The first blocks, then ever more at a time. `next(found)` takes how many of the rows that are needed were found so far. */
export async function* steps(
  engine: StoreEngine,
  snapshot: Snapshot,
  question: BlockQuestion,
): AsyncGenerator<Step, void, number> {
  const isDown = question.order === 'desc';
  const days = snapshot.daysIn(question.range).filter(({ day }) => day !== OTHER_DAYS);
  if (isDown) days.reverse();
  /** The bound of the spans of a day that was not looked at. */
  const edge = ({ day }: DayFile) => BigInt(isDown ? day + 1 : day) * NANOS_PER_DAY;
  const isBefore = (a: bigint, b: bigint) => (isDown ? a > b : a < b);
  const boundOf = ({ block }: Candidate) => (isDown ? block.last : block.first);
  /** What is near is read without a look at what the blocks hold, unless that is known already: most pages are full by then. */
  let tested = question.isSelective || days.slice(0, 1).every((file) => engine.hasFilledBlocks(file, question.key));
  /** In order, the next one last. */
  let waiting: Candidate[] = [];
  const look = async (file: DayFile) => {
    waiting.push(...(await candidatesOf(engine, snapshot, file, question, tested)));
    waiting.sort((a, b) => (isBefore(boundOf(a), boundOf(b)) ? 1 : isBefore(boundOf(b), boundOf(a)) ? -1 : 0));
  };
  for (const file of snapshot.daysIn(question.range)) if (file.day === OTHER_DAYS) await look(file);
  let size = question.isSelective ? Infinity : question.isFiltered ? FIRST_TESTED : FIRST_SPANS + question.rows;
  let read = 0;
  for (let isFirst = true; isFirst || waiting.length > 0 || days.length > 0; isFirst = false) {
    const chosen: Candidate[] = [];
    for (let sum = 0; sum < size; ) {
      while (days[0] !== undefined && (waiting.length === 0 || !isBefore(boundOf(waiting.at(-1)!), edge(days[0]))))
        await look(days.shift()!);
      const next = waiting.pop();
      if (next === undefined) break;
      chosen.push(next);
      sum += next.block.spans;
    }
    read += chosen.reduce((sum, { block }) => sum + block.spans, 0);
    const bounds = [...waiting.slice(-1).map(boundOf), ...days.slice(0, 1).map(edge)];
    const found = yield {
      stretches: byFile(chosen),
      isFinal: (start) => bounds.every((bound) => isBefore(start, bound)),
    };
    const missing = question.rows - found;
    const expected = found === 0 ? Infinity : ((read * missing) / found) * SURPLUS;
    size = Math.min(Math.max(expected, read * LEAST_GROWTH, FIRST_TESTED), Math.max(read, FIRST_TESTED) * MOST_GROWTH);
    if (!tested && question.tests.length > 0) {
      tested = true;
      waiting = await sieved(engine, question, waiting);
    }
  }
}
