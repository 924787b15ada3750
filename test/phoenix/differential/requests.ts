/** What both servers are asked, in this order. `{name}` stands for a variable: of the data, or saved from an answer before. */
export interface Ask {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  /** JSON, with variables in its texts. */
  readonly body?: unknown;
  /** Tells requests with the same path apart. */
  readonly label?: string;
  /** Variables from the answer, by their paths in it: `{ dataset: 'data.dataset_id' }`. */
  readonly save?: Record<string, string>;
  /** Follows `next_cursor` to the end and compares all pages. */
  readonly walk?: boolean;
}

const get = (path: string, more: Partial<Ask> = {}): Ask => ({ method: 'GET', path, ...more });
const post = (path: string, body: unknown, label: string, more: Partial<Ask> = {}): Ask => ({
  method: 'POST',
  path,
  body,
  label,
  ...more,
});
const each = (prefix: string, queries: readonly string[]): Ask[] => queries.map((query) => get(`${prefix}${query}`));

const TIMES = [
  'start_time=2026-01-02T03:04:13Z',
  'start_time=2026-01-02T05:04:13%2B02:00',
  'start_time=2026-01-02T03:04:13',
  'start_time=2026-01-02T03:04:13.000001Z',
  'start_time=1767323053',
  'start_time=1767323053000',
  'start_time=2026-01-03',
  'end_time=2026-01-02T03:04:13Z',
  'start_time=2026-01-02T03:04:05Z&end_time=2026-01-02T03:04:15Z',
  'start_time=2026-01-02T03:04:15Z&end_time=2026-01-02T03:04:05Z',
];
const BAD_TIMES = ['start_time=yesterday', 'end_time=', 'start_time=2026-13-01'];
const BAD_PAGES = ['limit=0', 'limit=-1', 'limit=1001', 'limit=abc', 'limit=', 'limit=1.5', 'cursor=nonsense'];

const SPAN_FILTERS = [
  'trace_id={trace}',
  'trace_id={trace}&trace_id={trace2}',
  'trace_id=unknown',
  'span_id={llm}&span_id={root}',
  'span_id={llm}&span_id=unknown',
  'name=answer',
  'name=Answer',
  'name=answer&name=generate',
  `name=${encodeURIComponent('a name with ünïcode, "quotes" & ?#/')}`,
  'name=',
  'status_code=ERROR',
  'status_code=error&status_code=OK',
  'status_code=UNSET',
  'parent_id=null&limit=5',
  'parent_id={root}',
  'parent_id=unknown',
  'attribute=llm.model_name:some-model',
  'attribute=llm.token_count.total:15',
  'attribute=llm.token_count.total:15.0',
  'attribute=llm.token_count.total:%2215%22',
  'attribute=double:12.5',
  'attribute=yes:true',
  'attribute=even:true&attribute=index:4',
  'attribute=text:plain',
  'attribute=metadata.tier:gold',
  'attribute=dotted.key.path:p',
  'attribute=map.inner:x',
  'attribute=input.value:Why%3F',
  'attribute=user.id:u-1&name=answer',
  'attribute=user.id:%C3%BC-2',
  'attribute=tag.tags:a',
  'attribute=nokey',
  'attribute=:x',
  'attribute=k:',
  'attribute=k:null',
  'attribute=k:[1]',
];

const READS: readonly Ask[] = [
  get('/arize_phoenix_version'),
  get('/v1/projects?name_contains={p}', { save: { project: 'data.0.id' } }),
  get('/v1/projects?name_contains={run}&limit=1', { walk: true }),
  ...each('/v1/projects', [
    '?name_contains=no-such-project-{run}',
    '?name_contains={p}&include_experiment_projects=true&include_dataset_evaluator_projects=true',
    '?name_contains={p}&include_experiment_projects=maybe',
    '?name_contains={p}&unknown=1',
    '?limit=0',
    '?limit=abc',
    '?cursor=nonsense',
    '/{p}',
    '/{project}',
    '/no-such-project-{run}',
    '/UHJvamVjdDo5OTk5OTk=',
  ]),

  get('/v1/projects/{p}/spans?limit=1000'),
  get('/v1/projects/{p}/spans'),
  get('/v1/projects/{project}/spans?limit=3'),
  get('/v1/projects/{p}/spans?limit=7', { walk: true }),
  get('/v1/projects/{p}/spans?limit=7&order=asc', { walk: true }),
  get('/v1/projects/{p}/spans?limit=7&sort=start_time', { walk: true }),
  get('/v1/projects/{p}/spans?limit=7&sort=start_time&order=asc', { walk: true }),
  get('/v1/projects/{p}/spans?limit=2&name=page 1&status_code=OK', { walk: true }),
  ...each('/v1/projects/{p}/spans?', [
    ...TIMES,
    ...SPAN_FILTERS,
    'span_kind=LLM',
    'span_kind=llm&span_kind=TOOL',
    'span_kind=UNKNOWN',
    'span_kind=EMBEDDING&status_code=OK&limit=2',
    'span_kind=WORKFLOW',
    'span_kind=',
    'status_code=FINE',
    'sort=name',
    'order=up',
    'unknown=1',
    ...BAD_TIMES,
    ...BAD_PAGES,
  ]),
  get('/v1/projects/no-such-project-{run}/spans'),

  get('/v1/projects/{p}/spans/otlpv1?limit=1000'),
  get('/v1/projects/{p}/spans/otlpv1?limit=7', { walk: true }),
  ...each('/v1/projects/{p}/spans/otlpv1?', [...TIMES.slice(0, 2), ...SPAN_FILTERS.slice(0, 12), ...BAD_PAGES]),
  get('/v1/projects/no-such-project-{run}/spans/otlpv1'),

  get('/v1/projects/{p}/traces?limit=1000&include_spans=true'),
  get('/v1/projects/{project}/traces?limit=3'),
  get('/v1/projects/{p}/traces?limit=4', { walk: true }),
  get('/v1/projects/{p}/traces?limit=4&order=asc', { walk: true }),
  get('/v1/projects/{p}/traces?limit=4&sort=latency_ms', { walk: true }),
  get('/v1/projects/{p}/traces?limit=4&sort=latency_ms&order=asc', { walk: true }),
  ...each('/v1/projects/{p}/traces?', [
    ...TIMES,
    'session_identifier={session}',
    'session_identifier={session}&session_identifier={session2}',
    'session_identifier=unknown',
    'error=true&limit=5',
    'error=false&limit=5',
    'error=maybe',
    'min_latency_ms=600',
    'max_latency_ms=20&sort=start_time&limit=5',
    'min_latency_ms=10&max_latency_ms=12',
    'min_latency_ms=abc',
    'sort=name',
    'order=up',
    'include_spans=maybe',
    'unknown=1',
    ...BAD_TIMES,
    ...BAD_PAGES,
  ]),
  get('/v1/projects/no-such-project-{run}/traces'),
  get('/v1/no-such-path'),
];

/** Whether the pages of conditions, sessions and so on are there is for their groups below. */
export const GROUPS: Readonly<Record<string, readonly Ask[]>> = { reads: READS };
export { post };
