/**
 * `/v1/datasets`.   client -> [datasets] -> store.   Source: Phoenix 20.26.
 *
 * Names are unique within a tenant, and so are splits within a data set; versions and ids are never used twice.
 */

import { DatasetNotFoundError, InvalidQueryError } from '@cogniverse/foundation/store';
import type {
  DatasetRecord,
  DatasetRow,
  DatasetSplitRecord,
  NewDatasetRow,
  Page,
  TelemetryStore,
} from '@cogniverse/foundation/telemetry';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { HttpAnswer } from '../error-answers.js';
import { parseForm, uploadOfForm } from './dataset-file.js';
import { makeCursor, opaqueId, readCursor, readOpaqueId } from './opaque-id.js';
import { phoenixDataset, phoenixExample, phoenixTime, sourceIdsOf } from './phoenix-examples.js';
import { chosenTenant, TENANT_HEADER, TENANT_PARAMETER } from './project-resolution.js';
import { QueryParameters } from './query-parameters.js';
import { jsonRecord, parseBody } from './request-body.js';

/** Phoenix has no upper bound where this stands; an answer has to fit into memory all the same. */
const MAX_LIMIT = 1_000_000;
const PAGE = 1000;

export const DATASET_PATHS = [
  { path: '/v1/datasets', methods: ['GET', 'HEAD'] },
  { path: '/v1/datasets/upload', methods: ['POST'] },
  { path: '/v1/datasets/:dataset', methods: ['GET', 'HEAD', 'DELETE'] },
  { path: '/v1/datasets/:dataset/versions', methods: ['GET', 'HEAD'] },
  { path: '/v1/datasets/:dataset/examples', methods: ['GET', 'HEAD'] },
  { path: '/v1/datasets/:dataset/csv', methods: ['GET', 'HEAD'] },
  { path: '/v1/datasets/:dataset/jsonl', methods: ['GET', 'HEAD'] },
  { path: '/v1/datasets/:dataset/jsonl/openai_ft', methods: ['GET', 'HEAD'] },
  { path: '/v1/datasets/:dataset/jsonl/openai_evals', methods: ['GET', 'HEAD'] },
  { path: '/v1/datasets/:dataset/splits', methods: ['GET', 'HEAD', 'POST'] },
  { path: '/v1/datasets/:dataset/splits/:split', methods: ['PATCH', 'DELETE'] },
] as const;

export function registerDatasets(app: FastifyInstance, store: TelemetryStore, bodyLimit: number): void {
  app.addContentTypeParser('multipart/form-data', { parseAs: 'buffer', bodyLimit }, (_request, body, done) =>
    done(null, body),
  );
  app.get('/v1/datasets', async (request) => {
    const query = new QueryParameters(request, ['cursor', 'name', 'limit', TENANT_PARAMETER]);
    const limit = query.integer('limit', { min: 1, max: MAX_LIMIT, default: 10 });
    const name = query.single('name') || undefined;
    const tenantId = chosenTenant(request, query);
    const page = await upTo(limit, query.single('cursor'), (part) =>
      store.queryDatasets({ tenantId, name, order: 'desc', ...part }),
    );
    return { data: page.items.map(phoenixDataset), next_cursor: page.nextCursor ?? null };
  });

  app.get('/v1/datasets/:dataset', async (request) => {
    // A client sends "version_id" here; what is told of a data set does not depend on it.
    const query = new QueryParameters(request, ['version_id', TENANT_PARAMETER]);
    return { data: phoenixDataset(await datasetById(store, request, query)) };
  });

  app.delete('/v1/datasets/:dataset', async (request, reply) => {
    const query = new QueryParameters(request, [TENANT_PARAMETER]);
    const { id, tenantId } = await datasetById(store, request, query);
    await store.deleteDataset({ tenantId, datasetId: id });
    return reply.code(204).send();
  });

  app.get('/v1/datasets/:dataset/versions', async (request) => {
    const query = new QueryParameters(request, ['cursor', 'limit', TENANT_PARAMETER]);
    const limit = query.integer('limit', { min: 1, max: MAX_LIMIT, default: 10 });
    const { id, tenantId } = await datasetById(store, request, query);
    const page = await upTo(limit, query.single('cursor'), (part) =>
      store.listDatasetVersions({ tenantId, datasetId: id, ...part }),
    );
    return {
      data: page.items.map((version) => ({
        version_id: opaqueId('DatasetVersion', version.id),
        description: null,
        metadata: {},
        created_at: phoenixTime(version.createdAt),
        example_count: version.exampleCount,
      })),
      next_cursor: page.nextCursor ?? null,
    };
  });

  app.get('/v1/datasets/:dataset/examples', async (request) => {
    const query = new QueryParameters(request, ['version_id', 'split', TENANT_PARAMETER]);
    const dataset = await datasetById(store, request, query);
    const splits = query.list('split');
    const names = splits === undefined ? [] : await splitNames(store, dataset, splits);
    const { rows, versionId } = await rowsOf(store, dataset, query, names.length === 0 ? undefined : names);
    const sources = await sourceIdsOf(store, dataset.tenantId, rows);
    return {
      data: {
        dataset_id: opaqueId('Dataset', dataset.id),
        version_id: opaqueId('DatasetVersion', versionId),
        filtered_splits: names,
        examples: rows.map((row) => phoenixExample(row, sources)),
      },
    };
  });

  app.post('/v1/datasets/upload', { bodyLimit }, async (request) => {
    const query = new QueryParameters(request, ['sync', TENANT_PARAMETER]);
    const sync = query.boolean('sync');
    const upload = Buffer.isBuffer(request.body)
      ? uploadOfFile(request.headers['content-type'] ?? '', request.body)
      : uploadOf(request.body);
    const chosen = chosenTenant(request, query);
    const held = await store.listDatasets({ tenantId: chosen, name: upload.name });
    if (held.length > 1) {
      throw new HttpAnswer(
        409,
        `${held.length} tenants hold a data set named ${JSON.stringify(upload.name)}. Choose one with the header ${TENANT_HEADER} or ` +
          `the parameter "${TENANT_PARAMETER}" (empty for what names no tenant).`,
      );
    }
    const tenantId = chosen === undefined ? (held[0]?.tenantId ?? null) : chosen;
    const done = await store.uploadDataset({ tenantId, ...upload });
    if (!sync) return null; // it is stored all the same: a clash of names is not lost
    return {
      data: {
        dataset_id: opaqueId('Dataset', done.dataset.id),
        version_id: opaqueId('DatasetVersion', done.dataset.versionId),
        num_created_examples: done.createdCount,
        num_updated_examples: done.updatedCount,
        num_deleted_examples: done.deletedCount,
      },
    };
  });

  const download = (
    path: string,
    kind: { readonly suffix: string; readonly type: string },
    text: (rows: readonly DatasetRow[]) => string,
  ) =>
    app.get(`/v1/datasets/:dataset/${path}`, async (request, reply) => {
      const query = new QueryParameters(request, ['version_id', TENANT_PARAMETER]);
      const dataset = await datasetById(store, request, query);
      const { rows } = await rowsOf(store, dataset, query, undefined);
      return asFile(reply, `${dataset.name}.${kind.suffix}`, kind.type).send(text(rows));
    });
  const jsonl = { suffix: 'jsonl', type: 'text/plain; charset=utf-8' };
  download('csv', { suffix: 'csv', type: 'text/csv' }, (rows) => {
    const hasSplits = rows.some(({ splits }) => splits.length > 0);
    return csvText(rows.map((row) => csvRecord(row, hasSplits)));
  });
  download('jsonl', jsonl, (rows) =>
    lines(
      rows.map((row) => {
        const { id, node_id, input, output, metadata } = phoenixExample(row);
        return { id, node_id, input, output, metadata, splits: row.splits };
      }),
    ),
  );
  download('jsonl/openai_ft', jsonl, (rows) =>
    lines(
      rows.map(({ input, output }) => {
        const tools = input['tools'];
        const messages = [...listOf(input['messages']), ...listOf(output['messages'])];
        return Array.isArray(tools) && tools.length === 0 ? { messages } : { messages, ...(tools ? { tools } : {}) };
      }),
    ),
  );
  download('jsonl/openai_evals', jsonl, (rows) =>
    lines(
      rows.map(({ input, output }) => {
        const last = listOf(output['messages']).at(-1) as { content?: unknown } | null | undefined;
        return {
          messages: listOf(input['messages']),
          ideal: typeof last?.content === 'string' ? last.content : '',
        };
      }),
    ),
  );

  app.get('/v1/datasets/:dataset/splits', async (request) => {
    const query = new QueryParameters(request, ['cursor', 'limit', TENANT_PARAMETER]);
    const limit = query.integer('limit', { min: 1, max: 1000, default: 10 });
    const { id, tenantId } = await datasetByIdentifier(store, request, query);
    const splits = await store.listDatasetSplits({ tenantId, datasetId: id });
    return pageOf(splits.reverse(), { limit, cursor: query.single('cursor'), of: phoenixSplit });
  });

  app.post('/v1/datasets/:dataset/splits', { bodyLimit }, async (request, reply) => {
    const query = new QueryParameters(request, [TENANT_PARAMETER]);
    const body = parseBody(NEW_SPLIT, request.body);
    const dataset = await datasetByIdentifier(store, request, query);
    const created = await store.createDatasetSplit({
      tenantId: dataset.tenantId,
      datasetId: dataset.id,
      name: body.name,
      description: body.description || null,
      color: body.color ?? undefined,
      metadata: body.metadata,
      rowIds: await rowIdsOf(store, dataset, body.example_ids),
    });
    return reply.code(201).send({ data: phoenixSplit(created) });
  });

  app.patch('/v1/datasets/:dataset/splits/:split', { bodyLimit }, async (request) => {
    const query = new QueryParameters(request, [TENANT_PARAMETER]);
    const splitId = splitOf(request);
    const body = parseBody(CHANGED_SPLIT, request.body);
    const dataset = await datasetByIdentifier(store, request, query);
    const changed = await store.changeDatasetSplit({
      tenantId: dataset.tenantId,
      datasetId: dataset.id,
      splitId,
      name: body.name,
      description: body.description === undefined ? undefined : body.description || null,
      color: body.color,
      metadata: body.metadata ?? undefined,
      addRowIds: await rowIdsOf(store, dataset, body.add_example_ids),
      removeRowIds: await rowIdsOf(store, dataset, body.remove_example_ids),
    });
    return { data: phoenixSplit(changed) };
  });

  app.delete('/v1/datasets/:dataset/splits/:split', async (request, reply) => {
    const query = new QueryParameters(request, [TENANT_PARAMETER]);
    const splitId = splitOf(request);
    const { id, tenantId } = await datasetByIdentifier(store, request, query);
    await store.deleteDatasetSplit({ tenantId, datasetId: id, splitId });
    return reply.code(204).send();
  });
}

// ---- what a request is about

/** The data set whose id stands in the path. Errors: 422 for what is no id, `DatasetNotFoundError`, also for another tenant's. */
export async function datasetById(
  store: TelemetryStore,
  request: FastifyRequest,
  query: QueryParameters,
): Promise<DatasetRecord> {
  const { dataset: identifier } = request.params as { dataset: string };
  const id = requireId('Dataset', identifier, 'dataset');
  const [found] = await store.listDatasets({ tenantId: chosenTenant(request, query), id });
  if (found === undefined) throw new DatasetNotFoundError(`Dataset with ID ${identifier} not found.`);
  return found;
}

/** By id, or by name. */
async function datasetByIdentifier(
  store: TelemetryStore,
  request: FastifyRequest,
  query: QueryParameters,
): Promise<DatasetRecord> {
  const { dataset: identifier } = request.params as { dataset: string };
  if (readOpaqueId('Dataset', identifier) !== undefined) return datasetById(store, request, query);
  const named = await store.listDatasets({ tenantId: chosenTenant(request, query), name: identifier });
  if (named.length > 1) {
    throw new HttpAnswer(
      409,
      `${named.length} tenants hold a data set named ${JSON.stringify(identifier)}; use its id.`,
    );
  }
  if (named[0] === undefined) throw new DatasetNotFoundError(`Dataset with name ${identifier} not found.`);
  return named[0];
}

export function requireId(type: Parameters<typeof opaqueId>[0], id: string, what: string): string {
  const key = readOpaqueId(type, id);
  if (key !== undefined) return key;
  throw new InvalidQueryError(`Invalid ${what} ID: ${id.slice(0, 200)}`);
}

function splitOf(request: FastifyRequest): string {
  return requireId('DatasetSplit', (request.params as { split: string }).split, 'dataset split');
}

/** Names of splits that are given by id or name. Errors: `DatasetNotFoundError`. */
export async function splitNames(
  store: TelemetryStore,
  { id, tenantId }: DatasetRecord,
  identifiers: readonly string[],
): Promise<string[]> {
  const splits = await store.listDatasetSplits({ tenantId, datasetId: id });
  return identifiers.map((identifier) => {
    const wanted = identifier.trim();
    const key = readOpaqueId('DatasetSplit', wanted);
    const found = splits.find((split) => (key === undefined ? split.name === wanted : split.id === key));
    if (found === undefined) throw new DatasetNotFoundError(`Dataset splits not found: ${wanted}`);
    return found.name;
  });
}

/** Ids of rows that are given by our id, or by their owner's. Errors: `DatasetNotFoundError`. */
async function rowIdsOf(
  store: TelemetryStore,
  dataset: DatasetRecord,
  identifiers: readonly string[],
): Promise<string[]> {
  const own = new Map<string, string>();
  if (identifiers.some((identifier) => readOpaqueId('DatasetExample', identifier) === undefined)) {
    for (const { id, externalId } of (await allRows(store, dataset, dataset.versionId, undefined)).rows) {
      if (externalId !== undefined) own.set(externalId, id);
    }
  }
  return identifiers.map((identifier) => {
    const id = readOpaqueId('DatasetExample', identifier) ?? own.get(identifier);
    if (id === undefined) throw new DatasetNotFoundError(`Dataset examples not found in this dataset: ${identifier}`);
    return id;
  });
}

async function rowsOf(
  store: TelemetryStore,
  dataset: DatasetRecord,
  query: QueryParameters,
  splits: readonly string[] | undefined,
): Promise<{ rows: DatasetRow[]; versionId: string }> {
  const version = query.single('version_id') || undefined;
  const versionId = version === undefined ? dataset.versionId : requireId('DatasetVersion', version, 'dataset version');
  return allRows(store, dataset, versionId, splits);
}

async function allRows(
  store: TelemetryStore,
  { id, tenantId }: DatasetRecord,
  versionId: string,
  splits: readonly string[] | undefined,
): Promise<{ rows: DatasetRow[]; versionId: string }> {
  const rows: DatasetRow[] = [];
  let cursor: string | undefined;
  do {
    const page = await store.getDatasetRows({ tenantId, datasetId: id, versionId, splits, limit: PAGE, cursor });
    rows.push(...page.items);
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return { rows, versionId };
}

/** A page of up to `limit` items, of as many pages of the store as it takes. */
export async function upTo<T>(
  limit: number,
  cursor: string | undefined,
  read: (part: { readonly limit: number; readonly cursor: string | undefined }) => Promise<Page<T>>,
): Promise<{ items: T[]; nextCursor: string | undefined }> {
  const items: T[] = [];
  let nextCursor = cursor || undefined;
  do {
    const page: Page<T> = await read({ limit: Math.min(PAGE, limit - items.length), cursor: nextCursor });
    items.push(...page.items);
    nextCursor = page.nextCursor;
  } while (nextCursor !== undefined && items.length < limit);
  return { items, nextCursor };
}

/** A page of a short list that is at hand as a whole, by id: what comes and goes meanwhile moves nothing. */
function pageOf<T extends { readonly id: string; readonly createdAt: string }>(
  items: readonly T[],
  options: { readonly limit: number; readonly cursor: string | undefined; readonly of: (item: T) => unknown },
): { data: unknown[]; next_cursor: string | null } {
  const { limit, cursor, of } = options;
  let start = 0;
  if (cursor) {
    const [id, createdAt] = readCursor(cursor, 2) ?? [];
    if (typeof id !== 'string' || typeof createdAt !== 'string') {
      throw new InvalidQueryError(`Invalid cursor format: ${cursor.slice(0, 200)}`);
    }
    start = items.findIndex((item) => item.id === id);
    // It is gone: those that are older follow.
    if (start === -1) start = items.findIndex((item) => item.createdAt < createdAt);
    if (start === -1) start = items.length;
  }
  const next = items[start + limit];
  return {
    data: items.slice(start, start + limit).map(of),
    next_cursor: next === undefined ? null : makeCursor([next.id, next.createdAt]),
  };
}

function phoenixSplit(split: DatasetSplitRecord): Record<string, unknown> {
  return {
    id: opaqueId('DatasetSplit', split.id),
    name: split.name,
    description: split.description,
    color: split.color,
    metadata: split.metadata,
    example_count: split.exampleCount,
    created_at: phoenixTime(split.createdAt),
    updated_at: phoenixTime(split.updatedAt),
  };
}

// ---- bodies

const splitName = z.string().trim().min(1, 'it cannot be empty');
const color = z.string().refine((text) => text.trim() !== '', 'it cannot be empty');
const ids = z.array(z.string()).default([]);
const NEW_SPLIT = z.object({
  name: splitName,
  description: z.string().nullish(),
  color: color.nullish(),
  metadata: jsonRecord.default({}),
  example_ids: ids,
});
const CHANGED_SPLIT = z.object({
  name: splitName.optional(),
  description: z.string().nullish(),
  color: color.optional(),
  metadata: jsonRecord.nullish(),
  add_example_ids: ids,
  remove_example_ids: ids,
});

const entries = z.array(z.unknown()).nullish();
const UPLOAD = z.object({
  action: z.string().nullish(),
  name: z.string().min(1, 'Dataset name is required'),
  description: z.string().nullish(),
  inputs: z.array(jsonRecord, 'it should be a list containing only dictionary objects'),
  outputs: z.array(jsonRecord).nullish(),
  metadata: z.array(jsonRecord).nullish(),
  splits: z.array(z.union([z.string(), z.array(z.string().nullable()), z.null()])).nullish(),
  span_ids: entries,
  example_ids: entries,
});

const ACTIONS = ['create', 'append', 'update'] as const;

interface Upload {
  readonly name: string;
  readonly action: (typeof ACTIONS)[number];
  readonly description: string;
  readonly rows: NewDatasetRow[];
}

function actionOf(given: string | null | undefined): Upload['action'] {
  const action = ACTIONS.find((known) => known === (given || 'create').toLowerCase());
  if (action === undefined) throw new InvalidQueryError(`Invalid dataset action: ${given}`);
  return action;
}

function uploadOfFile(contentType: string, body: Buffer): Upload {
  const upload = uploadOfForm(parseForm(contentType, body));
  return { ...upload, action: actionOf(upload.action) };
}

function uploadOf(body: unknown): Upload {
  const given = parseBody(UPLOAD, body);
  const { name, inputs, description, splits } = given;
  const action = actionOf(given.action);
  // An empty list of outputs or metadata counts as none; of splits and ids it does not.
  const outputs = given.outputs?.length ? given.outputs : undefined;
  const metadata = given.metadata?.length ? given.metadata : undefined;
  const { span_ids: spanIds, example_ids: exampleIds } = given;
  for (const [field, list] of Object.entries({
    outputs,
    metadata,
    splits,
    span_ids: spanIds,
    example_ids: exampleIds,
  })) {
    if (list !== undefined && list !== null && list.length !== inputs.length) {
      throw new InvalidQueryError(`${field} must have same length as inputs (${list.length} != ${inputs.length})`);
    }
  }
  const rows = inputs.map((input, index): NewDatasetRow => {
    const exampleId = textAt(exampleIds, index, 'example_ids');
    const rowId = exampleId === undefined ? undefined : readOpaqueId('DatasetExample', exampleId);
    return {
      input,
      output: outputs?.[index],
      metadata: metadata?.[index],
      splits: splits ? splitsAt(splits[index]) : undefined,
      spanId: textAt(spanIds, index, 'span_ids')?.trim() || undefined,
      ...(rowId === undefined ? { externalId: exampleId } : { id: rowId }),
    };
  });
  return { name, action, description: description ?? '', rows };
}

function textAt(list: readonly unknown[] | null | undefined, index: number, field: string): string | undefined {
  const value = list?.[index] ?? undefined;
  if (value === undefined || typeof value === 'string') return value;
  throw new InvalidQueryError(`${field} must contain only strings or None`);
}

function splitsAt(value: string | readonly (string | null)[] | null | undefined): string[] {
  const names = typeof value === 'string' ? [value] : (value ?? []);
  return [...new Set(names.map((name) => name?.trim() ?? '').filter((name) => name !== ''))];
}

// ---- files

export function asFile(reply: FastifyReply, name: string, type: string): FastifyReply {
  return reply.header('content-disposition', `attachment; filename*=UTF-8''${encodeURIComponent(name)}`).type(type);
}

function lines(records: readonly unknown[]): string {
  return records.map((record) => `${JSON.stringify(record)}\n`).join('');
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function csvRecord(row: DatasetRow, withSplits: boolean): Map<string, unknown> {
  const { id, node_id: nodeId, input, output, metadata } = phoenixExample(row);
  const record = new Map<string, unknown>([
    ['id', id],
    ['node_id', nodeId],
  ]);
  for (const [prefix, value] of Object.entries({ input, output, metadata })) flattenInto(record, prefix, value);
  return withSplits ? record.set('splits', JSON.stringify(row.splits)) : record;
}

function flattenInto(record: Map<string, unknown>, prefix: string, value: unknown): void {
  for (const [key, held] of Object.entries(value as object)) {
    if (typeof held !== 'object' || held === null) record.set(`${prefix}.${key}`, held);
    else if (Array.isArray(held)) record.set(`${prefix}.${key}`, JSON.stringify(held));
    else flattenInto(record, `${prefix}.${key}`, held);
  }
}

/** A line a record, under the columns of all of them in the order in which they first come. */
export function csvText(records: readonly ReadonlyMap<string, unknown>[]): string {
  const columns = [...new Set(records.flatMap((record) => [...record.keys()]))];
  const line = (values: readonly unknown[]) => `${values.map(csvField).join(',')}\n`;
  return line(columns) + records.map((record) => line(columns.map((column) => record.get(column)))).join('');
}

function csvField(value: unknown): string {
  if (value === undefined || value === null) return '';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
