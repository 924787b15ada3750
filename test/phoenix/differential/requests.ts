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
  /** Asked again until the answer lists so many items: Phoenix stores some things after it has answered. */
  readonly until?: number;
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
    'start_time=2026-01-02T03:04:05.2Z',
    'end_time=2026-01-02T03:04:05.2Z',
    'start_time=2026-01-02T03:04:05.2Z&end_time=2026-01-02T03:04:05.6Z',
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

const CONDITIONS = [
  "span_kind == 'LLM'",
  "span_kind in ['LLM', 'TOOL'] and status_code != 'OK'",
  "name == 'answer' or name == 'generate'",
  "not (name == 'answer') and parent_id is not None",
  'parent_id is None and latency_ms > 500',
  'parent_span is None and latency_ms >= 1000',
  'latency_ms > 10 and latency_ms <= 12',
  'index >= 25',
  'index > 3 and index < 6 and even',
  'even == True and index < 4',
  'third > 9',
  'double == 12.5',
  'double.whole == 12',
  "text == 'plain'",
  "attributes['text'] == 'plain'",
  "map['inner'] == 'x'",
  "attributes['map']['deep']['er'] == 1",
  "metadata['tier'] == 'gold'",
  "metadata['n'] == 2",
  "dotted.key.path == 'p'",
  "'some' in llm.model_name",
  "'WHY' in input.value",
  "'absent' not in input.value",
  'llm.token_count.total == 15',
  'llm.token_count.prompt + llm.token_count.completion == 15',
  'cumulative_llm_token_count_total > 0',
  "user.id == 'ü-2'",
  "session.id == '{session}'",
  "trace_id == '{trace}'",
  "span_id in ['{root}', '{llm}']",
  "parent_id == '{root}'",
  "start_time >= '2026-01-02T03:04:35+00:00' and start_time < '2026-01-02T03:05:45+00:00'",
  "status_message == 'cut off'",
  "no.such.key == 'x'",
  "no.such.key is None and name == 'generate'",
  "annotations['quality'].label == 'good'",
  "annotations['quality'].score > 0.4",
  "evals['quality'].score < 0.4",
  "trace_annotations['correct'].label == 'yes'",
  "name = 'x'",
  "name == 'x' and",
  'import os',
  "name.upper() == 'X'",
  "latency_ms > 'abc'",
  '1 == 1',
];
const dsl = (query: unknown, label: string, more: object = {}): Ask =>
  post('/v1/spans?project_name={p}', { queries: [query], ...more }, label);
const NAMES_ONLY = { name: { key: 'name' } };

const ANNOTATED: readonly Ask[] = [
  post(
    '/v1/span_annotations?sync=true',
    {
      data: [
        {
          span_id: '{llm}',
          name: 'quality',
          annotator_kind: 'LLM',
          result: { label: 'good', score: 0.5, explanation: 'why' },
          metadata: { model: 'm', n: 1 },
        },
        { span_id: '{root}', name: 'quality', annotator_kind: 'HUMAN', result: { score: 0.25 } },
        { span_id: '{llm}', name: 'speed', annotator_kind: 'CODE', result: { label: 'slow' }, identifier: 'run-1' },
      ],
    },
    'three',
  ),
  post(
    '/v1/span_annotations?sync=true',
    { data: [{ span_id: '{llm}', name: 'speed', annotator_kind: 'CODE', result: { score: 2 }, identifier: 'run-1' }] },
    'again',
  ),
  post('/v1/span_annotations?sync=true', { data: [] }, 'none'),
  post(
    '/v1/span_annotations?sync=true',
    { data: [{ span_id: '{llm}', name: 'a', annotator_kind: 'ROBOT' }] },
    'bad kind',
  ),
  post('/v1/span_annotations?sync=true', { data: [{ name: 'a', annotator_kind: 'CODE' }] }, 'no span'),
  post(
    '/v1/span_annotations?sync=true',
    { data: [{ span_id: 'ffffffffffffffff', name: 'a', annotator_kind: 'CODE', result: { score: 1 } }] },
    'unknown span',
  ),
  post(
    '/v1/span_annotations?sync=true',
    { data: [{ span_id: '{llm}', name: 'note', annotator_kind: 'HUMAN', result: { explanation: 'x' } }] },
    'a note',
  ),
  post(
    '/v1/span_annotations?sync=true',
    { data: [{ span_id: '{root}', name: 'bare', annotator_kind: 'CODE' }] },
    'no result',
  ),
  post('/v1/span_notes', { data: { span_id: '{llm}', note: 'look at this' } }, 'a note'),
  post('/v1/span_notes', { data: { span_id: '{llm}', note: 'first', identifier: 'mine' } }, 'with an identifier'),
  post('/v1/span_notes', { data: { span_id: '{llm}', note: 'second', identifier: 'mine' } }, 'again'),
  post('/v1/span_notes', { data: { span_id: 'ffffffffffffffff', note: 'x' } }, 'unknown span'),
  ...each('/v1/projects/{p}/span_annotations?', [
    'span_ids={llm}&limit=100',
    'span_ids={llm}&span_ids={root}&limit=100',
    'span_ids={llm}&include_annotation_names=quality',
    'span_ids={llm}&include_annotation_names=quality&include_annotation_names=note',
    'span_ids={llm}&exclude_annotation_names=note',
    'identifier=run-1',
    'identifier=run-1&span_ids={root}',
    'span_ids=ffffffffffffffff',
    'limit=10',
    'span_ids={llm}&limit=0',
    'span_ids={llm}&limit=10001',
    'span_ids={llm}&cursor=nonsense',
  ]),
  get('/v1/projects/{p}/span_annotations?span_ids={llm}&span_ids={root}&limit=2', { walk: true }),
  get('/v1/projects/no-such-project-{run}/span_annotations?span_ids={llm}'),
  post(
    '/v1/trace_annotations?sync=true',
    {
      data: [
        { trace_id: '{trace}', name: 'correct', annotator_kind: 'HUMAN', result: { label: 'yes', score: 1 } },
        { trace_id: '{trace2}', name: 'correct', annotator_kind: 'HUMAN', result: { label: 'no' }, identifier: 'i' },
      ],
    },
    'two',
  ),
  post(
    '/v1/trace_annotations?sync=true',
    { data: [{ trace_id: 'f'.repeat(32), name: 'correct', annotator_kind: 'HUMAN', result: { label: 'no' } }] },
    'unknown trace',
  ),
  post('/v1/trace_notes', { data: { trace_id: '{trace}', note: 'fine' } }, 'a note'),
  ...each('/v1/projects/{p}/trace_annotations?', [
    'trace_ids={trace}&trace_ids={trace2}&limit=100',
    'trace_ids={trace}&include_annotation_names=correct',
    'identifier=i',
    'limit=10',
  ]),
  post(
    '/v1/session_annotations?sync=true',
    { data: [{ session_id: '{session}', name: 'mood', annotator_kind: 'LLM', result: { label: 'good' } }] },
    'one',
  ),
  post(
    '/v1/session_annotations?sync=true',
    { data: [{ session_id: 'no-such-session', name: 'mood', annotator_kind: 'LLM', result: { label: 'good' } }] },
    'unknown session',
  ),
  post('/v1/session_notes', { data: { session_id: '{session}', note: 'resolved' } }, 'a note'),
  ...each('/v1/projects/{p}/session_annotations?', ['session_ids={session}&limit=100', 'identifier=none', 'limit=10']),
  post(
    '/v1/document_annotations?sync=true',
    {
      data: [0, 1].map((position) => ({
        span_id: '{retriever}',
        document_position: position,
        name: 'relevance',
        annotator_kind: 'LLM',
        result: { score: position },
      })),
    },
    'two',
  ),
  post(
    '/v1/document_annotations?sync=true',
    {
      data: [{ span_id: '{retriever}', document_position: 9, name: 'r', annotator_kind: 'LLM', result: { score: 1 } }],
    },
    'beyond the last document',
  ),
];

const SESSIONS: readonly Ask[] = [
  get('/v1/projects/{p}/sessions', { save: { sessionId: 'data.0.id' } }),
  get('/v1/projects/{p}/sessions?limit=1', { walk: true }),
  ...each('/v1/projects/{p}/sessions?', [
    'order=asc',
    'order=desc',
    'order=up',
    `filter=${encodeURIComponent("session_id == '")}{session}'`,
    `filter=${encodeURIComponent('num_traces > 1')}`,
    `filter=${encodeURIComponent('token_count_total > 0')}`,
    `filter=${encodeURIComponent("start_time > '2026-01-02T03:04:30+00:00'")}`,
    `filter=${encodeURIComponent('num_traces >')}`,
    `filter=${encodeURIComponent('no_such_name == 1')}`,
    'unknown=1',
    'limit=0',
    'cursor=nonsense',
  ]),
  get('/v1/projects/no-such-project-{run}/sessions'),
  get('/v1/sessions/{session}'),
  get('/v1/sessions/{sessionId}'),
  get('/v1/sessions/no-such-session'),
  ...each('/v1/projects/{p}/traces?', [
    'session_identifier={sessionId}',
    `filter=${encodeURIComponent('error_count > 0')}&limit=3`,
    `filter=${encodeURIComponent('latency_ms > 450')}`,
    `filter=${encodeURIComponent("user.id == 'u-1'")}`,
    `filter=${encodeURIComponent("metadata['tier'] == 'gold'")}`,
    `filter=${encodeURIComponent("start_time >= '2026-01-02T03:06:00+00:00'")}`,
    `filter=${encodeURIComponent("any(s.name == 'generate' for s in spans)")}`,
    `filter=${encodeURIComponent('no_such_name == 1')}`,
    `filter=${encodeURIComponent('error_count >')}`,
  ]),
];

const QUERIES: readonly Ask[] = [
  ...CONDITIONS.map((condition) => dsl({ select: NAMES_ONLY, filter: { condition } }, condition)),
  dsl(
    {
      select: { name: { key: 'name' }, model: { key: 'llm.model_name' }, l: { key: 'latency_ms' } },
      filter: { condition: "name == 'generate'" },
    },
    'select',
  ),
  dsl({ filter: { condition: "name == 'generate'" } }, 'all columns'),
  dsl({ filter: { condition: "name == 'types'" } }, 'all columns of many types'),
  dsl({ select: NAMES_ONLY, rename: { name: 'title' }, filter: { condition: "name == 'answer'" } }, 'rename'),
  dsl(
    {
      select: { trace_id: { key: 'trace_id' } },
      explode: { key: 'retrieval.documents', kwargs: { text: 'document.content' } },
      filter: { condition: "name == 'retrieve'" },
    },
    'explode',
  ),
  dsl(
    {
      concat: { key: 'retrieval.documents', kwargs: { text: 'document.content' }, separator: ' + ' },
      filter: { condition: "name == 'retrieve'" },
    },
    'concat',
  ),
  dsl({ select: NAMES_ONLY, index: { key: 'trace_id' }, filter: { condition: "name == 'answer'" } }, 'index'),
  dsl({ select: NAMES_ONLY }, 'limit', { limit: 3 }),
  dsl({ select: NAMES_ONLY }, 'times', { start_time: '2026-01-02T03:04:10Z', end_time: '2026-01-02T03:04:20Z' }),
  dsl({ select: NAMES_ONLY }, 'roots', { root_spans_only: true, limit: 5 }),
  post(
    '/v1/spans?project_name={p}',
    {
      queries: [
        { select: NAMES_ONLY, filter: { condition: "name == 'types'" } },
        { select: NAMES_ONLY, filter: { condition: "name == 'orphan'" } },
      ],
    },
    'two queries',
  ),
  post('/v1/spans?project_name=no-such-project-{run}', { queries: [{ select: NAMES_ONLY }] }, 'unknown project'),
  post('/v1/spans?project_name={p}', { queries: 'x' }, 'no list'),
];

const PROJECT_WRITES: readonly Ask[] = [
  post('/v1/projects', { name: '{p}-made', description: 'first' }, 'a project', { save: { made: 'data.id' } }),
  post('/v1/projects', { name: '{p}-made' }, 'a name that is taken'),
  post('/v1/projects', {}, 'no name'),
  { method: 'PUT', path: '/v1/projects/{made}', body: { description: 'second' } },
  { method: 'PUT', path: '/v1/projects/no-such-project-{run}', body: { description: 'x' } },
  get('/v1/projects/{made}'),
  { method: 'DELETE', path: '/v1/projects/{made}' },
  { method: 'DELETE', path: '/v1/projects/{made}', label: 'again' },
  get('/v1/projects/{p}-made'),
];

const SPAN_WRITES: readonly Ask[] = [
  post(
    '/v1/projects/{p}/spans',
    {
      data: [
        {
          name: 'written',
          context: { trace_id: '{run}000000000000000000000fff', span_id: '{run}00000fff' },
          span_kind: 'TOOL',
          start_time: '2026-01-02T03:04:05.5+00:00',
          end_time: '2026-01-02T03:04:06+00:00',
          status_code: 'OK',
          attributes: { 'a.b': 1, list: ['x'], nested: { k: 'v' }, metadata: { tier: 'silver' } },
          events: [{ name: 'e', timestamp: '2026-01-02T03:04:05.75+00:00', attributes: { k: 1 } }],
        },
      ],
    },
    'one span',
  ),
  get('/v1/projects/{p}/spans?trace_id={run}000000000000000000000fff', { until: 1 }),
  post(
    '/v1/projects/{p}/spans',
    {
      data: [
        {
          name: 'written',
          context: { trace_id: '{run}000000000000000000000fff', span_id: '{run}00000fff' },
          span_kind: 'TOOL',
          start_time: '2026-01-02T03:04:05.5+00:00',
          end_time: '2026-01-02T03:04:06+00:00',
          status_code: 'OK',
        },
      ],
    },
    'again',
  ),
  post('/v1/projects/{p}/spans', { data: [] }, 'none'),
  post('/v1/projects/{p}/spans', { data: [{ name: 'x' }] }, 'no ids'),
];

const DELETES: readonly Ask[] = [
  { method: 'DELETE', path: '/v1/spans/{run}00000fff' },
  { method: 'DELETE', path: '/v1/spans/{run}00000fff', label: 'again' },
  { method: 'DELETE', path: '/v1/spans/{retriever}' },
  get('/v1/projects/{p}/spans?trace_id={trace}'),
  { method: 'DELETE', path: '/v1/traces/{trace2}' },
  { method: 'DELETE', path: '/v1/traces/{trace2}', label: 'again' },
  { method: 'DELETE', path: '/v1/sessions/{session2}' },
  { method: 'DELETE', path: '/v1/sessions/{session2}', label: 'again' },
  post('/v1/sessions/delete', { session_identifiers: ['{session}', 'no-such-session'] }, 'two'),
  post('/v1/sessions/delete', { session_identifiers: [] }, 'none'),
  get('/v1/projects/{p}/sessions'),
  { method: 'DELETE', path: '/v1/projects/{p}/traces?start_time=2026-01-02T03:05:50Z&end_time=2026-01-02T03:06:00Z' },
  { method: 'DELETE', path: '/v1/projects/{p}/traces' },
  get('/v1/projects/{p}/traces?limit=1000'),
  { method: 'DELETE', path: '/v1/projects/{p}' },
  get('/v1/projects/{p}'),
];

const DATASETS: readonly Ask[] = [
  post(
    '/v1/datasets/upload?sync=true',
    {
      action: 'create',
      name: 'cities-{run}',
      description: 'capitals',
      inputs: [{ q: 'France' }, { q: 'Japan' }, { q: 'Peru' }],
      outputs: [{ a: 'Paris' }, { a: 'Tokyo' }, { a: 'Lima' }],
      metadata: [{ n: 1 }, { n: 2 }, {}],
      splits: ['train', ['train', 'test'], null],
      example_ids: ['fr', null, null],
    },
    'create',
    { save: { dataset: 'data.dataset_id', version: 'data.version_id' } },
  ),
  post(
    '/v1/datasets/upload?sync=true',
    { action: 'create', name: 'cities-{run}', inputs: [{ q: 'x' }] },
    'a name that is taken',
  ),
  post(
    '/v1/datasets/upload?sync=true',
    { action: 'create', name: 'bad-{run}', inputs: [{}], outputs: [{}, {}] },
    'lists of different lengths',
  ),
  post('/v1/datasets/upload?sync=true', { action: 'create', name: 'bad-{run}' }, 'no inputs'),
  post('/v1/datasets/upload?sync=true', { action: 'bend', name: 'bad-{run}', inputs: [{}] }, 'unknown action'),
  post(
    '/v1/datasets/upload?sync=true',
    {
      action: 'append',
      name: 'cities-{run}',
      inputs: [{ q: 'Ghana' }, { q: 'Peru' }],
      outputs: [{ a: 'Accra' }, { a: 'Lima' }],
    },
    'append',
    { save: { version2: 'data.version_id' } },
  ),
  get('/v1/datasets?name=cities-{run}'),
  get('/v1/datasets?name=no-such-dataset-{run}'),
  get('/v1/datasets?limit=0'),
  get('/v1/datasets?cursor=nonsense'),
  get('/v1/datasets/{dataset}'),
  get('/v1/datasets/RGF0YXNldDo5OTk5OTk='),
  get('/v1/datasets/nonsense'),
  get('/v1/datasets/{dataset}/versions'),
  get('/v1/datasets/{dataset}/versions?limit=1', { walk: true }),
  get('/v1/datasets/{dataset}/examples', {
    save: { example: 'data.examples.0.node_id', example2: 'data.examples.1.node_id' },
  }),
  get('/v1/datasets/{dataset}/examples?version_id={version}'),
  get('/v1/datasets/{dataset}/examples?split=train'),
  get('/v1/datasets/{dataset}/examples?split=train&split=test'),
  get('/v1/datasets/{dataset}/examples?split=no-such-split'),
  get('/v1/datasets/{dataset}/examples?version_id=nonsense'),
  get('/v1/datasets/{dataset}/jsonl'),
  get('/v1/datasets/{dataset}/csv'),
  get('/v1/datasets/{dataset}/splits'),
  post(
    '/v1/datasets/upload?sync=true',
    {
      action: 'update',
      name: 'cities-{run}',
      inputs: [{ q: 'France' }, { q: 'Japan' }],
      outputs: [{ a: 'Paris!' }, { a: 'Tokyo' }],
      example_ids: ['fr', null],
    },
    'update',
  ),
  get('/v1/datasets/{dataset}/examples', { label: 'after the update' }),
];

const run = (example: string, more: object) => ({
  dataset_example_id: example,
  output: 'Paris',
  repetition_number: 1,
  start_time: '2026-01-02T03:04:05Z',
  end_time: '2026-01-02T03:04:06.5Z',
  ...more,
});
const EXPERIMENTS: readonly Ask[] = [
  post(
    '/v1/datasets/{dataset}/experiments',
    { name: 'first', description: 'the first', metadata: { t: 0 }, repetitions: 2, version_id: '{version2}' },
    'create',
    { save: { experiment: 'data.id' } },
  ),
  post('/v1/datasets/{dataset}/experiments', { repetitions: 0 }, 'no repetitions'),
  post('/v1/datasets/RGF0YXNldDo5OTk5OTk=/experiments', {}, 'unknown data set'),
  get('/v1/datasets/{dataset}/experiments'),
  get('/v1/experiments/{experiment}'),
  get('/v1/experiments/RXhwZXJpbWVudDo5OTk5OTk='),
  get('/v1/experiments/{experiment}/json', { label: 'without runs' }),
  get('/v1/experiments/{experiment}/runs', { label: 'without runs' }),
  post('/v1/experiments/{experiment}/runs', run('{example}', {}), 'a run', { save: { run1: 'data.id' } }),
  post('/v1/experiments/{experiment}/runs', run('{example}', {}), 'again'),
  post('/v1/experiments/{experiment}/runs', run('{example2}', { output: null, error: 'failed' }), 'a failed run', {
    save: { run2: 'data.id' },
  }),
  post('/v1/experiments/{experiment}/runs', run('{example2}', { output: { a: ['x'] } }), 'after the failure'),
  post('/v1/experiments/{experiment}/runs', run('RGF0YXNldEV4YW1wbGU6OTk5OTk5', {}), 'unknown example'),
  post('/v1/experiments/{experiment}/runs', run('{example}', { repetition_number: 0 }), 'repetition 0'),
  get('/v1/experiments/{experiment}/runs'),
  get('/v1/experiments/{experiment}/runs?limit=1', { walk: true }),
  get('/v1/experiments/{experiment}/incomplete-runs'),
  get('/v1/experiments/{experiment}/incomplete-runs?limit=2', { walk: true }),
  post(
    '/v1/experiment_evaluations',
    {
      experiment_run_id: '{run1}',
      name: 'exact',
      annotator_kind: 'CODE',
      start_time: '2026-01-02T03:04:05Z',
      end_time: '2026-01-02T03:04:06Z',
      result: { label: 'right', score: 1, explanation: 'same' },
      metadata: { by: 'test' },
    },
    'an evaluation',
  ),
  post(
    '/v1/experiment_evaluations',
    {
      experiment_run_id: '{run1}',
      name: 'exact',
      annotator_kind: 'CODE',
      start_time: '2026-01-02T03:04:05Z',
      end_time: '2026-01-02T03:04:06Z',
      error: 'broken',
    },
    'again, with an error',
  ),
  post(
    '/v1/experiment_evaluations',
    {
      experiment_run_id: '{run1}',
      name: 'exact',
      annotator_kind: 'CODE',
      start_time: '2026-01-02T03:04:05Z',
      end_time: '2026-01-02T03:04:06Z',
    },
    'neither result nor error',
  ),
  get('/v1/experiments/{experiment}/incomplete-evaluations?evaluation_name=exact&evaluation_name=other'),
  get('/v1/experiments/{experiment}/incomplete-evaluations'),
  get('/v1/experiments/{experiment}/json'),
  get('/v1/experiments/{experiment}/csv'),
  get('/v1/experiments/{experiment}', { label: 'with runs' }),
  { method: 'PATCH', path: '/v1/experiments/{experiment}', body: { name: 'renamed', metadata: { t: 1 } } },
  { method: 'DELETE', path: '/v1/experiments/{experiment}' },
  get('/v1/experiments/{experiment}', { label: 'deleted' }),
  { method: 'DELETE', path: '/v1/datasets/{dataset}' },
  get('/v1/datasets/{dataset}', { label: 'deleted' }),
];

/** In this order: later ones need what earlier ones wrote, and the deletions come last. */
export const ALL: Readonly<Record<string, readonly Ask[]>> = {
  reads: READS,
  annotations: ANNOTATED,
  sessions: SESSIONS,
  queries: QUERIES,
  projects: PROJECT_WRITES,
  'spans written': SPAN_WRITES,
  'data sets': DATASETS,
  experiments: EXPERIMENTS,
  deletions: DELETES,
};
const COMPARED = ['reads', 'annotations', 'sessions', 'queries', 'projects', 'spans written', 'deletions'];
export const GROUPS = Object.fromEntries(Object.entries(ALL).filter(([name]) => COMPARED.includes(name)));
