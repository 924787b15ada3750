/**
 * A client that fills tenants and deletes them, a project or traces of theirs until the server is gone. What was acknowledged as deleted must be
 * gone for good; what was asked for and not answered, gone as a whole or there as a whole.
 */
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodeTraces, type OtlpSpan } from '@cogniverse/foundation/otlp';
import type { ProjectRef, TelemetryStore } from '@cogniverse/foundation/telemetry';
import { EPOCH, spanOf } from './spans.js';

const DAY = 86_400_000_000_000n;
const KINDS = ['tenant', 'project', 'traces'] as const;
const TRACES = 4;
const SPANS_A_TRACE = 6;

type State = 'filling' | 'deleting' | 'deleted';

interface Life {
  readonly kind: (typeof KINDS)[number];
  /** Random, so that no compression hides it. */
  readonly secret: string;
  readonly project: ProjectRef;
  readonly spans: readonly OtlpSpan[];
  state: State;
}

/** Random ids; each trace has spans on four days, two of which hold nobody else's. */
function spansOf(secret: string): OtlpSpan[] {
  const traceIds = Array.from({ length: TRACES }, () => randomBytes(16).toString('hex'));
  return traceIds.flatMap((traceId) =>
    Array.from({ length: SPANS_A_TRACE }, (_, n): OtlpSpan => {
      const startTimeUnixNano = EPOCH - BigInt(n % 4) * DAY + BigInt(n);
      return {
        ...spanOf(n),
        traceId,
        spanId: randomBytes(8).toString('hex'),
        parentSpanId: '',
        startTimeUnixNano,
        endTimeUnixNano: startTimeUnixNano + 5n,
        attributes: new Map([['input.value', `question of ${secret}`]]),
      };
    }),
  );
}

function bodyOf({ project, spans }: Life): Uint8Array {
  const attributes = new Map([
    ['tenant.id', project.tenantId!],
    ['openinference.project.name', project.name],
  ]);
  const scope = { name: 'crash', version: '1', attributes: new Map(), droppedAttributesCount: 0 };
  return encodeTraces({
    resourceSpans: [
      {
        resource: { attributes, droppedAttributesCount: 0 },
        schemaUrl: '',
        scopeSpans: [{ scope, schemaUrl: '', spans: [...spans] }],
      },
    ],
  });
}

export class Doomed {
  readonly #round: number;
  readonly #lives: Life[] = [];
  /** Calls that were made. */
  steps = 0;

  constructor(round: number) {
    this.#round = round;
  }

  get acknowledged(): number {
    return this.#lives.filter(({ state }) => state === 'deleted').length;
  }

  /** Resolves when the server no longer answers. */
  async live(store: TelemetryStore, isGone: () => boolean): Promise<void> {
    for (let n = this.#round; !isGone(); n += 1) {
      const secret = randomBytes(12).toString('hex');
      const project = { tenantId: `doomed-${secret}`, name: `project-${secret}` };
      const life: Life = { kind: KINDS[n % 3]!, secret, project, spans: spansOf(secret), state: 'filling' };
      this.#lives.push(life);
      try {
        await this.#fill(store, life);
        life.state = 'deleting';
        this.steps += 1;
        await remove(store, life);
        life.state = 'deleted';
      } catch (error) {
        if (isGone() || (error as { code?: string }).code === 'backend_unavailable') continue;
        throw error;
      }
    }
  }

  async #fill(store: TelemetryStore, life: Life): Promise<void> {
    const { project, spans, secret } = life;
    let stored = false;
    while (!stored) {
      this.steps += 1;
      const { status, ...rest } = await store.ingest({ body: bodyOf(life), format: 'protobuf' });
      if (status === 'unavailable') throw Object.assign(new Error('no answer'), { code: 'backend_unavailable' });
      if (status === 'invalid') throw new Error(JSON.stringify(rest));
      stored = status === 'stored';
    }
    this.steps += 1;
    const annotations = spans.map(({ spanId }) => ({ spanId, name: 'note', explanation: `because of ${secret}` }));
    await store.addAnnotations({ project, annotations });
    this.steps += 1;
    const { tenantId } = project;
    await store.createDataset({ tenantId, name: `set-${secret}`, rows: [{ input: { q: secret }, output: {} }] });
  }

  /** What is wrong with what a store and its files hold. */
  async violations(store: TelemetryStore, dataDir: string): Promise<string[]> {
    const wrong: string[] = [];
    const forgotten: string[] = [];
    for (const life of this.#lives) {
      const { kind, secret, state } = life;
      const found = await look(store, life);
      const say = (text: string) =>
        wrong.push(`round ${this.#round}: ${kind} ${secret}, ${state}: ${text}; found ${JSON.stringify(found)}`);
      const { chosen, rest } = found;
      if (state === 'filling') continue; // some of it may be there
      const isGone = chosen.spans === 0 && chosen.annotations === 0 && chosen.dataSets === 0;
      const isThere =
        chosen.spans === found.asked &&
        chosen.annotations === found.asked &&
        chosen.dataSets === (kind === 'tenant' ? 1 : 0);
      if (state === 'deleted' && !isGone) say('what was deleted is there');
      if (state === 'deleting' && !isGone && !isThere) say('half of it is there');
      const left = life.spans.length - found.asked;
      if (rest.spans !== left || rest.annotations !== left || rest.dataSets !== (kind === 'tenant' ? 0 : 1))
        say('what was not to be deleted is not as it was');
      if (kind === 'tenant' && isGone)
        forgotten.push(secret, ...life.spans.flatMap(({ traceId, spanId }) => [traceId, spanId]));
    }
    for (const [needle, file] of bytesLeft(dataDir, forgotten)) {
      wrong.push(`round ${this.#round}: ${needle} of a tenant that was deleted is in ${file}`);
    }
    return wrong;
  }
}

function isChosen({ kind, spans }: Life, { traceId }: { traceId: string }): boolean {
  return kind !== 'traces' || traceId === spans[0]!.traceId || traceId === spans[SPANS_A_TRACE]!.traceId;
}

async function remove(store: TelemetryStore, life: Life): Promise<void> {
  const { kind, project, spans } = life;
  if (kind === 'tenant') await store.deleteTenant({ tenantId: project.tenantId });
  else if (kind === 'project') await store.deleteProject({ project });
  else {
    const traceIds = [...new Set(spans.filter((span) => isChosen(life, span)).map(({ traceId }) => traceId))];
    await store.deleteTraces({ project, traceIds });
  }
}

/** What is there of what was to be deleted, and of what was not. */
async function look(store: TelemetryStore, life: Life) {
  const { kind, project, secret } = life;
  const spans = (await store.querySpans({ project, limit: 1000 })).items.map(({ span }) => span);
  const traceOf = new Map(life.spans.map(({ spanId, traceId }) => [spanId, traceId]));
  const annotations = (await store.listAnnotations({ project, limit: 10_000 })).items.map((one) => ({
    traceId: traceOf.get(one.target === 'span' ? one.spanId : '') ?? '',
  }));
  const dataSets = (await store.listDatasets({ tenantId: project.tenantId, name: `set-${secret}` })).length;
  const count = (list: readonly { traceId: string }[], chosen: boolean) =>
    list.filter((one) => isChosen(life, one) === chosen).length;
  const part = (chosen: boolean) => ({
    spans: count(spans, chosen),
    annotations: count(annotations, chosen),
    dataSets: (kind === 'tenant') === chosen ? dataSets : 0,
  });
  return { asked: count(life.spans, true), chosen: part(true), rest: part(false) };
}

/** Where any of the texts is in a file, in letters or packed. */
function bytesLeft(dataDir: string, secrets: readonly string[]): [needle: string, file: string][] {
  if (secrets.length === 0) return [];
  const found: [string, string][] = [];
  for (const entry of readdirSync(dataDir, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = join(entry.parentPath, entry.name);
    let content: Buffer;
    try {
      content = readFileSync(file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') continue; // flushed meanwhile
      throw error;
    }
    for (const secret of secrets) {
      if (content.includes(secret) || content.includes(Buffer.from(secret, 'hex'))) found.push([secret, file]);
    }
  }
  return found;
}
