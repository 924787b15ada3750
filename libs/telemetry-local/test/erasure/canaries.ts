/** A tenant whose every name, id and text can be recognised, and a search for them in all files of a directory. */
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { OtlpSpan } from '@cogniverse/foundation/otlp';
import type { ProjectRef, TelemetryStore } from '@cogniverse/foundation/telemetry';
import { DuckDBInstance } from '@duckdb/node-api';
import { NOON, request, resourceOf, span } from '../store/store-fixture.js';

const DAY = 86_400_000_000_000n;

export class Canaries {
  /** Random, so that no compression hides them. */
  readonly texts = new Map<string, string>();
  readonly ids: Buffer[] = [];

  text(what: string): string {
    const known = this.texts.get(what);
    if (known !== undefined) return known;
    const fresh = `${what}-${randomBytes(12).toString('hex')}`;
    this.texts.set(what, fresh);
    return fresh;
  }

  id(bytes: number): string {
    const id = randomBytes(bytes);
    this.ids.push(id);
    return id.toString('hex');
  }

  get project(): ProjectRef {
    return { tenantId: this.text('tenant'), name: this.text('project') };
  }

  /** A trace of spans with a canary in every place, on several days and at an odd time. */
  spans(count: number): OtlpSpan[] {
    const traceId = this.id(16);
    return Array.from({ length: count }, (_, n) => {
      const start = n % 4 === 3 ? 5n : NOON + BigInt(n % 4) * DAY + BigInt(n);
      const attributes = new Map<string, never>([
        ['session.id', this.text('session')],
        ['input.value', this.text('input')],
        ['output.value', this.text('output')],
        ['llm.model_name', this.text('model')],
        [this.text('key'), this.text('value')],
        ['bytes', new Uint8Array(Buffer.from(this.text('bytes')))],
      ] as never);
      return span(n, {
        traceId,
        spanId: this.id(8),
        parentSpanId: this.id(8),
        name: this.text('name'),
        traceState: `v=${this.text('state')}`,
        startTimeUnixNano: start,
        endTimeUnixNano: start + 1n,
        attributes,
        events: [
          {
            timeUnixNano: start,
            name: this.text('event'),
            attributes: new Map([['exception.message', this.text('exception')]]),
            droppedAttributesCount: 0,
          },
        ],
        links: [
          {
            traceId: this.id(16),
            spanId: this.id(8),
            traceState: '',
            attributes: new Map([['l', this.text('link')]]),
            droppedAttributesCount: 0,
            flags: 0,
          },
        ],
        status: { code: 2, message: this.text('status') },
      });
    });
  }

  /** Gives a store all that a tenant can own. */
  async fill(store: Pick<TelemetryStore, 'ingest'> & FillCalls): Promise<void> {
    const { project } = this;
    const { tenantId } = project;
    const resource = new Map([...resourceOf(project), ['service.name', this.text('service')]]);
    const list = this.spans(8);
    await store.ingest(request(list, resource));
    await store.addAnnotations({
      project,
      annotations: [
        {
          spanId: list[0]!.spanId,
          name: this.text('annotation'),
          label: this.text('label'),
          explanation: this.text('explanation'),
          identifier: this.text('identifier'),
          metadata: { m: this.text('annotation-metadata') },
        },
      ],
    });
    const name = this.text('dataset');
    await store.createDataset({
      tenantId,
      name,
      description: this.text('description'),
      rows: [{ input: { q: this.text('question') }, output: { a: this.text('answer') } }],
    });
    await store.appendToDataset({ tenantId, name, rows: [{ input: { q: this.text('more') } }] });
    const experiment = await store.createExperiment({ tenantId, name: this.text('experiment'), datasetName: name });
    if (experiment === undefined) return; // the process was killed
    const run = { inputs: { i: this.text('run-input') }, outputs: { o: this.text('run-output') } };
    const logged = await store.logRun({ tenantId, experimentId: experiment.id, run });
    const evaluation = { name: this.text('evaluation'), explanation: this.text('evaluation-text') };
    if (logged !== undefined) await store.logRunEvaluation({ tenantId, runId: logged.id, evaluation });
  }

  /** A file that nobody can read, with some of them. */
  plantDamagedFile(dataDir: string): void {
    writeFileSync(join(dataDir, 'damaged', 'seg-1.wal'), `...${this.text('tenant')} ${this.text('input')}`);
  }

  /** Where any of them is, in whatever spelling: `[]` when nothing is left. */
  find(dataDir: string): string[] {
    const needles: [string, Buffer][] = [];
    for (const [what, text] of this.texts) {
      const secret = text.slice(what.length + 1);
      const bytes = Buffer.from(secret);
      needles.push([what, bytes], [`${what} (hex)`, Buffer.from(bytes.toString('hex'))]);
      needles.push([`${what} (packed)`, Buffer.from(secret, 'hex')]);
      // The three ways in which base64 can begin, without the characters that neighbours share.
      for (let pad = 0; pad < 3; pad++) {
        const text64 = Buffer.concat([Buffer.alloc(pad), bytes]).toString('base64');
        needles.push([`${what} (base64)`, Buffer.from(text64.slice(4, -4))]);
      }
    }
    for (const id of this.ids) {
      needles.push(['an id', id], ['an id (hex)', Buffer.from(id.toString('hex'))]);
      needles.push(['an id (base64)', Buffer.from(id.toString('base64').replace(/=+$/, '').slice(0, -1))]);
    }
    const found: string[] = [];
    for (const file of filesOf(dataDir)) {
      const content = contentOf(file);
      for (const [what, needle] of needles) if (content.includes(needle)) found.push(`${what} in ${file}`);
    }
    return found;
  }

  /** The same through the database, which compression hides nothing from. The store must be closed. */
  async findRows(dataDir: string): Promise<string[]> {
    const found: string[] = [];
    const instance = await DuckDBInstance.create(':memory:');
    const connection = await instance.connect();
    try {
      for (const file of filesOf(dataDir).filter((name) => name.endsWith('.duckdb'))) {
        await connection.run(`ATTACH '${file}' AS looked_at (READ_ONLY)`);
        const columns = await connection.runAndReadAll(
          "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE database_name = 'looked_at'",
        );
        for (const [table, column, type] of columns.getRows() as [string, string, string][]) {
          const text = type === 'BLOB' ? `lower(hex("${column}"))` : `"${column}"::VARCHAR`;
          const rows = await connection.runAndReadAll(`SELECT DISTINCT ${text} FROM looked_at."${table}"`);
          const needles = [
            ...[...this.texts].flatMap(([what, t]) => [
              t.slice(what.length + 1),
              Buffer.from(t.slice(what.length + 1)).toString('hex'),
            ]),
            ...this.ids.map((id) => id.toString('hex')),
          ];
          for (const [value] of rows.getRows() as [string | null][]) {
            if (needles.some((needle) => value?.includes(needle))) found.push(`${table}.${column} in ${file}`);
          }
        }
        await connection.run('DETACH looked_at');
      }
    } finally {
      connection.closeSync();
      instance.closeSync();
    }
    return found;
  }
}

type FillCalls = Pick<
  TelemetryStore,
  'addAnnotations' | 'createDataset' | 'appendToDataset' | 'createExperiment' | 'logRun' | 'logRunEvaluation'
>;

/** Nothing for a file that a flush has removed meanwhile. */
function contentOf(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0);
    throw error;
  }
}

export function filesOf(dataDir: string): string[] {
  return readdirSync(dataDir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
}
