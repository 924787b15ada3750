/**
 * `POST /v1/spans`: queries of Phoenix's span query language, a table each.   Read path: client -> [query-spans] -> span-query -> store.
 *
 * Source: Phoenix 20.26; PyPI `arize-phoenix-client` 3.5.0, `get_spans_dataframe`. The answer is `multipart/mixed`, a part of JSON a query.
 */
import { randomBytes } from 'node:crypto';
import { checkInput, InvalidQueryError, ProjectNotFoundError } from '@cogniverse/foundation/store';
import type { ProjectRef, TelemetryStore } from '@cogniverse/foundation/telemetry';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { HttpAnswer } from '../../error-answers.js';
import { resolveProject, TENANT_PARAMETER } from '../project-resolution.js';
import { QueryParameters } from '../query-parameters.js';
import { dataframeJson } from './dataframe-json.js';
import { runSpanQuery, spanQuerySchema } from './span-query.js';

const DEFAULT_PROJECT = 'default';
const MAX_QUERIES = 10;
/** Rows of one table: they are in memory until the last is written, since each may bring a column. */
const MAX_ROWS = 100_000;
const time = z.string().nullish();

const bodySchema = z.object({
  queries: z
    .array(spanQuerySchema)
    .min(1, 'it must hold at least one query')
    .max(MAX_QUERIES, `it holds more than ${MAX_QUERIES} queries`),
  start_time: time,
  end_time: time,
  stop_time: time,
  limit: z.int().min(1).max(MAX_ROWS).nullish(),
  root_spans_only: z.boolean().nullish(),
  orphan_span_as_root_span: z.boolean().nullish(),
  project_name: z.string().nullish(),
});

export function registerSpanQueries(app: FastifyInstance, store: TelemetryStore): void {
  app.post('/v1/spans', { config: { access: 'read' } }, async (request, reply) => {
    const parameters = new QueryParameters(request, ['project_name', 'project-name', TENANT_PARAMETER]);
    const accept = request.headers.accept ?? '*/*';
    if (!/application\/json|multipart\/mixed|\*\/\*|application\/\*/.test(accept)) {
      throw new HttpAnswer(
        406,
        'Tables are given as JSON: send "accept: application/json". An Arrow file is not served here.',
      );
    }
    checkInput(bodySchema, request.body);
    const body = bodySchema.parse(request.body);
    const header = request.headers['project-name'];
    const name =
      parameters.single('project_name') ||
      parameters.single('project-name') ||
      (typeof header === 'string' ? header : undefined) ||
      body.project_name ||
      DEFAULT_PROJECT;
    const scope = {
      project: await projectNamed(store, request, parameters, name),
      startTime: zoned(body.start_time),
      endTime: zoned(body.end_time ?? body.stop_time),
      limit: body.limit ?? 1000,
      roots:
        body.root_spans_only === true
          ? body.orphan_span_as_root_span === false
            ? ('strict' as const)
            : ('orphans' as const)
          : undefined,
    };
    const tables: string[] = [];
    for (const query of body.queries) tables.push(dataframeJson(await runSpanQuery(store, query, scope)));
    const boundary = randomBytes(24).toString('hex');
    const parts = tables.map((table) => `--${boundary}\r\nContent-Type: application/json\r\n\r\n${table}\r\n`);
    return reply.type(`multipart/mixed; boundary=${boundary}`).send(`${parts.join('')}--${boundary}--\r\n`);
  });
}

/** Undefined for a project that is not there: as with Phoenix, its table is empty. */
async function projectNamed(
  store: TelemetryStore,
  request: FastifyRequest,
  parameters: QueryParameters,
  name: string,
): Promise<ProjectRef | undefined> {
  try {
    const project = await resolveProject(store, request, parameters, name);
    return { tenantId: project.tenantId, name: project.name };
  } catch (error) {
    if (error instanceof ProjectNotFoundError) return undefined;
    throw error;
  }
}

/** A time without zone is UTC, as with Phoenix. */
function zoned(text: string | null | undefined): string | undefined {
  if (text === null || text === undefined) return undefined;
  if (!/^\d{4}-\d{2}-\d{2}/.test(text))
    throw new InvalidQueryError(`The time ${JSON.stringify(text.slice(0, 60))} is no ISO 8601 time.`);
  return /\d[T ]\d{2}:/i.test(text) && !/(?:Z|[+-]\d{2}:?\d{2})$/i.test(text) ? `${text}Z` : text;
}
