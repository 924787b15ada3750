/**
 * What is asked: of this store, of SQLite and of a server over HTTP, the same each time.   Benchmark store-goals: run -> [questions] -> answers.
 *
 * `ours(store, about)` and `sqlite(database, about)` give what was found, as `answerOf` makes it, so that the two are compared. `path(about)` is the
 * same question over HTTP, for the server and Phoenix. `about`: `{ project, traceId, session, day: [from, to] in nanoseconds, instance }`.
 */
const PAGE = 100;
/** Goals, in milliseconds: a page of spans, a trace by id, statistics of a day. */
export const PAGE_GOAL = 50;
const TRACE_GOAL = 20;
const DAY_GOAL = 200;

const idsOf = ({ items }) => items.map(({ span }) => span.spanId);
const page = (filters, range = () => ({})) => ({
  goal: PAGE_GOAL,
  ours: async (store, about) =>
    idsOf(await store.querySpans({ project: about.project, limit: PAGE, filters: filters(about), ...range(about) })),
});
const withSql = (question, where, ...values) => ({
  ...question,
  sqlite: (database, about) =>
    database
      .prepare(
        `SELECT span_id FROM spans WHERE tenant = ? AND project = ? AND ${where} ORDER BY start_ns DESC, seq DESC LIMIT ${PAGE}`,
      )
      .pluck()
      .all(about.project.tenantId, about.project.name, ...values.map((value) => value(about))),
});
const attribute = (key, operator, value) => ({ attributes: [{ key, operator, value }] });
const json = (key) => `json_extract(attributes, '$."${key}"')`;
const inDay = (about) => ({ startTime: about.day[0], endTime: about.day[1] });

export const QUESTIONS = {
  'newest 100 spans': withSql(
    page(() => undefined),
    'true',
  ),
  'newest 100 of the day before': withSql(
    page(
      () => undefined,
      (about) => ({ startTime: about.day[0], endTime: about.day[1] }),
    ),
    'start_ns >= ? AND start_ns < ?',
    (about) => about.day[0],
    (about) => about.day[1],
  ),
  name: withSql(
    page(() => ({ name: 'reranker.rerank' })),
    "name = 'reranker.rerank'",
  ),
  errors: withSql(
    page(() => ({ status: 'ERROR' })),
    'status = 2',
  ),
  'kind LLM': withSql(
    page(() => ({ spanKind: 'LLM' })),
    "span_kind = 'LLM'",
  ),
  session: withSql(
    page(({ session }) => ({ sessionId: session })),
    'session_id = ?',
    (about) => about.session,
  ),
  'attribute strategy = bm25 (common)': withSql(
    page(() => attribute('strategy', 'eq', 'bm25')),
    `${json('strategy')} = 'bm25'`,
  ),
  'attribute llm.model_name = claude-opus-4 (1 %)': withSql(
    page(() => attribute('llm.model_name', 'eq', 'claude-opus-4')),
    `${json('llm.model_name')} = 'claude-opus-4'`,
  ),
  'attribute user.id = one user (rare)': withSql(
    page(({ project }) => attribute('user.id', 'eq', `${project.tenantId}-user-17`)),
    `${json('user.id')} = ?`,
    (about) => `${about.project.tenantId}-user-17`,
  ),
  'attribute strategy = none (in no span)': withSql(
    page(() => attribute('strategy', 'eq', 'no such strategy')),
    `${json('strategy')} = 'no such strategy'`,
  ),
  'attribute llm.token_count.total > 450': withSql(
    page(() => attribute('llm.token_count.total', 'gt', 450)),
    `${json('llm.token_count.total')} > 450`,
  ),
  'attribute latency_ms > 60000 (in no span)': withSql(
    page(() => attribute('latency_ms', 'gt', 60_000)),
    `${json('latency_ms')} > 60000`,
  ),
  'input.value contains "treaty"': withSql(
    page(() => attribute('input.value', 'contains', 'treaty')),
    "instr(lower(input_value), 'treaty') > 0",
  ),
  'input.value contains a text that is in no span': withSql(
    page(() => attribute('input.value', 'contains', 'no such text')),
    "instr(lower(input_value), 'no such text') > 0",
  ),
  'one trace by its id': {
    goal: TRACE_GOAL,
    ours: async (store, about) =>
      idsOf(await store.querySpans({ project: about.project, filters: { traceId: about.traceId } })).sort(),
    sqlite: (database, about) =>
      database
        .prepare('SELECT span_id FROM spans WHERE trace_id = ? AND tenant = ? AND project = ? ORDER BY span_id')
        .pluck()
        .all(about.traceId, about.project.tenantId, about.project.name),
  },
  'newest 100 traces': {
    goal: PAGE_GOAL,
    ours: async (store, about) =>
      (await store.queryTraces({ project: about.project, limit: PAGE })).items.map(({ traceId }) => traceId),
    sqlite: (database, about) =>
      database
        .prepare(
          `SELECT trace_id FROM spans WHERE tenant = ? AND project = ? GROUP BY trace_id ORDER BY min(start_ns) DESC, trace_id DESC LIMIT ${PAGE}`,
        )
        .pluck()
        .all(about.project.tenantId, about.project.name),
  },
  'statistics of a day, one tenant': {
    goal: DAY_GOAL,
    ours: async (store, about) =>
      (await store.getStatistics({ tenantId: about.project.tenantId, ...inDay(about) })).map(
        ({ project, spanCount, traceCount }) => [project.name, spanCount, traceCount].join(' '),
      ),
    sqlite: (database, about) =>
      database
        .prepare(
          `SELECT project || ' ' || sum(n) || ' ' || count(*), avg(failed), avg(last - first) FROM (
             SELECT project, trace_id, count(*) AS n, max(status = 2) AS failed, min(start_ns) AS first, max(end_ns) AS last
             FROM spans WHERE tenant = ? AND start_ns >= ? AND start_ns < ? GROUP BY project, trace_id) GROUP BY project ORDER BY project`,
        )
        .pluck()
        .all(about.project.tenantId, ...about.day),
  },
  'statistics of a day, all tenants': {
    goal: DAY_GOAL,
    ours: async (store, about) =>
      (await store.getStatistics(inDay(about)))
        .map(({ project, spanCount, traceCount }) => [project.name, spanCount, traceCount].join(' '))
        .sort(),
    sqlite: (database, about) =>
      database
        .prepare(
          `SELECT project || ' ' || sum(n) || ' ' || count(*), avg(failed), avg(last - first) FROM (
             SELECT tenant, project, trace_id, count(*) AS n, max(status = 2) AS failed, min(start_ns) AS first, max(end_ns) AS last
             FROM spans WHERE start_ns >= ? AND start_ns < ? GROUP BY tenant, project, trace_id) GROUP BY tenant, project`,
        )
        .pluck()
        .all(...about.day)
        .sort(),
  },
  'latency percentiles of a day, 24 buckets': {
    goal: DAY_GOAL,
    ours: async (store, about) =>
      (
        await store.getMetrics({
          project: about.project,
          metricNames: ['trace_count', 'latency_p50', 'latency_p95', 'latency_p99', 'error_rate'],
          bucketSeconds: 3600,
          ...inDay(about),
        })
      )
        .filter(({ metricName }) => metricName === 'trace_count')
        .map(({ value }) => value),
    // SQLite has no percentiles: the latencies are sorted by it, and the ranks taken by number.
    sqlite: (database, about) =>
      database
        .prepare(
          `WITH traces AS (SELECT (min(start_ns) - ?) / 3600000000000 AS bucket, max(end_ns) - min(start_ns) AS latency, max(status = 2) AS failed
             FROM spans WHERE tenant = ? AND project = ? AND start_ns >= ? AND start_ns < ? GROUP BY trace_id),
           ranked AS (SELECT bucket, latency, failed, row_number() OVER (PARTITION BY bucket ORDER BY latency) AS rank, count(*) OVER (PARTITION BY bucket) AS n FROM traces)
           SELECT n, avg(failed), max(latency) FILTER (WHERE rank <= (n + 1) / 2), max(latency) FILTER (WHERE rank <= 0.95 * n), max(latency) FILTER (WHERE rank <= 0.99 * n)
           FROM ranked GROUP BY bucket ORDER BY bucket`,
        )
        .pluck()
        .all(about.day[0], about.project.tenantId, about.project.name, ...about.day),
  },
  'tokens and cost by model, 7 days': {
    ours: async (store, about) =>
      (
        await store.getMetrics({
          project: about.project,
          metricNames: ['span_count', 'tokens_total', 'cost_total'],
          groupBy: 'model',
        })
      )
        .filter(({ metricName }) => metricName === 'span_count')
        .map(({ group, value }) => `${group} ${value}`)
        .sort(),
    sqlite: (database, about) =>
      database
        .prepare(
          `SELECT model || ' ' || count(*), sum(tokens_prompt + tokens_completion), sum(cost) FROM spans
           WHERE tenant = ? AND project = ? AND model IS NOT NULL GROUP BY model`,
        )
        .pluck()
        .all(about.project.tenantId, about.project.name)
        .sort(),
  },
  'list of all projects': {
    ours: async (store) => (await store.listProjects()).map(({ name, spanCount }) => `${name} ${spanCount}`).sort(),
    sqlite: (database) =>
      database.prepare("SELECT project || ' ' || count(*) FROM spans GROUP BY tenant, project").pluck().all().sort(),
  },
};

/** The same over HTTP; `server` is a `cogniverse serve` or a Phoenix. Questions that Phoenix's REST can be asked. */
export const HTTP_QUESTIONS = {
  'newest 100 spans': ({ project }) => `/v1/projects/${project}/spans?limit=100`,
  name: ({ project }) => `/v1/projects/${project}/spans?limit=100&name=reranker.rerank`,
  errors: ({ project }) => `/v1/projects/${project}/spans?limit=100&status_code=ERROR`,
  'attribute strategy = bm25 (common)': ({ project }) =>
    `/v1/projects/${project}/spans?limit=100&attribute=strategy:bm25`,
  'attribute user.id = one user (rare)': ({ project, tenant }) =>
    `/v1/projects/${project}/spans?limit=100&attribute=user.id:${tenant}-user-17`,
  'one trace by its id': ({ project, traceId }) => `/v1/projects/${project}/spans?limit=1000&trace_id=${traceId}`,
  'newest 100 traces': ({ project }) => `/v1/projects/${project}/traces?limit=100`,
  'list of all projects': () => '/v1/projects?limit=100',
};

export const quantile = (sorted, share) =>
  sorted.length === 0 ? Number.NaN : sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)];

/** p50, p95, p99, least and most of a list, in its own unit. */
export function spread(list) {
  const sorted = [...list].sort((a, b) => a - b);
  return {
    n: sorted.length,
    p50: quantile(sorted, 0.5),
    p95: quantile(sorted, 0.95),
    p99: quantile(sorted, 0.99),
    min: sorted[0] ?? Number.NaN,
    max: sorted.at(-1) ?? Number.NaN,
  };
}
