/** A client that annotates spans and traces and makes data sets until the server is gone, and remembers what was acknowledged. */
import type { NewAnnotation, TelemetryStore } from '@cogniverse/foundation/telemetry';
import { projectOf, ROUND_SIZE, spanOf, tenantOf } from './spans.js';
import type { Tally } from './writers.js';

interface Note {
  readonly index: number;
  readonly target: 'span' | 'trace';
  readonly name: string;
  readonly score: number;
}

interface DataSet {
  readonly tenantId: string;
  readonly name: string;
  /** Rows that were sent, and how many of them were acknowledged; undefined before the data set itself was. */
  sent: number;
  acknowledged: number | undefined;
}

const ROWS_FIRST = 3;
const ROWS_MORE = 2;
const rowOf = (name: string, n: number) => ({ input: { question: `${name} ${n}` }, output: { n }, metadata: {} });
const projectOfIndex = (index: number) => ({
  tenantId: tenantOf(index),
  name: projectOf(tenantOf(index), Math.floor(index / ROUND_SIZE)),
});

export class Notes {
  readonly #round: number;
  readonly #notes: { note: Note; acknowledged: boolean }[] = [];
  readonly #dataSets: DataSet[] = [];

  constructor(round: number) {
    this.#round = round;
  }

  get acknowledged(): { notes: number; dataSets: number } {
    return {
      notes: this.#notes.filter(({ acknowledged }) => acknowledged).length,
      dataSets: this.#dataSets.filter(({ acknowledged }) => acknowledged !== undefined).length,
    };
  }

  /** Resolves when the server no longer answers. */
  async write(store: TelemetryStore, tally: Tally, isGone: () => boolean): Promise<void> {
    let seen = 0;
    for (let step = 0; !isGone(); step += 1) {
      const indexes = [...tally.acknowledged].slice(seen, seen + 20);
      seen += indexes.length;
      if (indexes.length === 0) {
        await new Promise((resolve) => setTimeout(resolve, 1));
        continue;
      }
      try {
        await this.#annotate(store, indexes, step);
        if (step % 3 === 0) await this.#makeDataSet(store, tenantOf(indexes[0]!), step);
      } catch (error) {
        if (isGone() || (error as { code?: string }).code === 'backend_unavailable') continue;
        throw error;
      }
    }
  }

  /** All of one request are spans of one tenant's project. */
  async #annotate(store: TelemetryStore, indexes: readonly number[], step: number): Promise<void> {
    const project = projectOfIndex(indexes[0]!);
    const batch = indexes
      .filter((index) => tenantOf(index) === project.tenantId)
      .map((index, i): { note: Note; acknowledged: boolean } => ({
        note: { index, target: i % 4 === 0 ? 'trace' : 'span', name: `note ${step}`, score: index / 3 },
        acknowledged: false,
      }));
    this.#notes.push(...batch);
    const annotations = batch.map(({ note: { index, target, name, score } }): NewAnnotation => {
      const { traceId, spanId } = spanOf(index);
      return target === 'trace' ? { target, traceId, name, score } : { target, spanId, name, score };
    });
    await store.addAnnotations({ project, annotations });
    for (const one of batch) one.acknowledged = true;
  }

  async #makeDataSet(store: TelemetryStore, tenantId: string, step: number): Promise<void> {
    const set: DataSet = { tenantId, name: `set ${this.#round}.${step}`, sent: ROWS_FIRST, acknowledged: undefined };
    this.#dataSets.push(set);
    const rows = Array.from({ length: ROWS_FIRST }, (_, n) => rowOf(set.name, n));
    await store.createDataset({ tenantId, name: set.name, rows });
    set.acknowledged = ROWS_FIRST;
    set.sent += ROWS_MORE;
    const more = Array.from({ length: ROWS_MORE }, (_, n) => rowOf(set.name, ROWS_FIRST + n));
    await store.appendToDataset({ tenantId, name: set.name, rows: more });
    set.acknowledged += ROWS_MORE;
  }

  /** What is wrong with what a store holds: `[]` when all that was acknowledged is there once, and nothing else but what was sent. */
  async violations(store: TelemetryStore, tenants: readonly string[]): Promise<string[]> {
    const found: string[] = [];
    for (const tenantId of tenants) {
      found.push(...(await this.#wrongNotes(store, tenantId)), ...(await this.#wrongDataSets(store, tenantId)));
    }
    return found.map((text) => `round ${this.#round}: ${text}`);
  }

  async #wrongNotes(store: TelemetryStore, tenantId: string): Promise<string[]> {
    const wrong: string[] = [];
    const keyOf = (target: string, id: string, name: string) => `${target} ${id} ${name}`;
    const expected = new Map(
      this.#notes
        .filter(({ note }) => tenantOf(note.index) === tenantId)
        .map(({ note, acknowledged }) => {
          const { traceId, spanId } = spanOf(note.index);
          const key = keyOf(note.target, note.target === 'trace' ? traceId : spanId, note.name);
          return [key, { score: note.score, acknowledged }];
        }),
    );
    const seen = new Set<string>();
    const project = { tenantId, name: projectOf(tenantId, this.#round) };
    for (let cursor: string | undefined, more = true; more; ) {
      const page = await store.listAnnotations({ project, limit: 10_000, cursor });
      for (const one of page.items) {
        const id = one.target === 'trace' ? one.traceId : one.target === 'span' ? one.spanId : '';
        const key = keyOf(one.target, id, one.name);
        const sent = expected.get(key);
        if (sent === undefined) wrong.push(`annotation "${key}" was never sent`);
        else if (sent.score !== one.score) wrong.push(`annotation "${key}" was altered`);
        if (seen.has(key)) wrong.push(`annotation "${key}" is there twice`);
        seen.add(key);
      }
      cursor = page.nextCursor;
      more = cursor !== undefined;
    }
    for (const [key, { acknowledged }] of expected) {
      if (acknowledged && !seen.has(key)) wrong.push(`annotation "${key}" is missing`);
    }
    return wrong;
  }

  async #wrongDataSets(store: TelemetryStore, tenantId: string): Promise<string[]> {
    const wrong: string[] = [];
    const prefix = `set ${this.#round}.`;
    const there = (await store.listDatasets({ tenantId })).filter(({ name }) => name.startsWith(prefix));
    for (const { name } of there) {
      if (!this.#dataSets.some((set) => set.name === name)) wrong.push(`data set "${name}" was never sent`);
    }
    for (const { name, sent, acknowledged } of this.#dataSets.filter((set) => set.tenantId === tenantId)) {
      const [first, ...others] = there.filter((one) => one.name === name);
      if (others.length > 0) wrong.push(`data set "${name}" is there twice`);
      if (first === undefined) {
        if (acknowledged !== undefined) wrong.push(`data set "${name}" is missing`);
        continue;
      }
      const { items } = await store.getDatasetRows({ tenantId, datasetId: first.id });
      const isRight = items.every(({ input }, n) => input['question'] === rowOf(name, n).input.question);
      const counts = [acknowledged ?? ROWS_FIRST, sent];
      if (!isRight || !counts.includes(items.length)) {
        wrong.push(`data set "${name}" has ${items.length} rows, acknowledged ${acknowledged} of ${sent}`);
      }
    }
    return wrong;
  }
}
