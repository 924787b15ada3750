/**
 * The peer of the store benchmark: plain SQLite with sensible indexes.   Benchmark store-goals: generator -> [sqlite] -> one file.
 *
 * better-sqlite3 is no dependency of this repository: it is compiled where no binary fits, for a benchmark alone. It is installed once beside the data.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { decodeTraces } from '@cogniverse/foundation/otlp';

const VERSION = '12.11.1';
const DURABLE_REQUESTS = 8;

function loadDriver(cache, say) {
  const home = join(cache, `better-sqlite3-${VERSION}`);
  if (!existsSync(join(home, 'node_modules', 'better-sqlite3', 'build', 'Release', 'better_sqlite3.node'))) {
    say(`installing better-sqlite3 ${VERSION} in ${home} (once; a minute where it has to be compiled)`);
    mkdirSync(home, { recursive: true });
    writeFileSync(join(home, 'package.json'), '{"private":true}\n');
    const { status, stderr } = spawnSync(
      'npm',
      ['install', '--no-audit', '--no-fund', '--save-exact', `better-sqlite3@${VERSION}`],
      { cwd: home, encoding: 'utf8' },
    );
    if (status !== 0) throw new Error(`better-sqlite3 could not be installed: ${stderr}`);
  }
  return createRequire(join(home, 'package.json'))('better-sqlite3');
}

const jsonValue = (value) => (typeof value === 'bigint' ? Number(value) : value);

/** Numbers of more than 53 bits do not occur here, but for times, which are bound as bigints. */
export function openSqlite(file, { cache, say }) {
  const Database = loadDriver(cache, say);
  const database = new Database(file);
  database.pragma('journal_mode = WAL');
  database.pragma('synchronous = FULL');
  database.pragma('cache_size = -524288');
  database.pragma('mmap_size = 8589934592');
  database.exec(`
    CREATE TABLE IF NOT EXISTS spans (
      seq INTEGER PRIMARY KEY, tenant TEXT NOT NULL, project TEXT NOT NULL, trace_id TEXT NOT NULL, span_id TEXT NOT NULL, parent_id TEXT,
      name TEXT NOT NULL, kind INTEGER NOT NULL, start_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL, status INTEGER NOT NULL,
      status_message TEXT NOT NULL, span_kind TEXT NOT NULL, session_id TEXT, model TEXT, tokens_prompt REAL, tokens_completion REAL, cost REAL,
      input_value TEXT, output_value TEXT, attributes TEXT NOT NULL, events TEXT);
    CREATE UNIQUE INDEX IF NOT EXISTS by_id ON spans(trace_id, span_id);
    CREATE INDEX IF NOT EXISTS by_time ON spans(tenant, project, start_ns);
    CREATE INDEX IF NOT EXISTS by_name ON spans(tenant, project, name, start_ns);
    CREATE INDEX IF NOT EXISTS by_session ON spans(session_id, start_ns);
    CREATE INDEX IF NOT EXISTS by_status ON spans(tenant, project, start_ns) WHERE status = 2;
    CREATE INDEX IF NOT EXISTS by_model ON spans(tenant, project, model, start_ns) WHERE model IS NOT NULL;`);
  const insert = database.prepare(`INSERT OR IGNORE INTO spans VALUES (NULL${', ?'.repeat(21)})`);
  const insertAll = database.transaction((requests) => {
    for (const { body, project } of requests) {
      for (const { scopeSpans } of decodeTraces(body).resourceSpans) {
        for (const { spans } of scopeSpans) for (const span of spans) insert.run(rowOf(span, project));
      }
    }
  });
  let waiting = [];
  return {
    database,
    bytes: () => statSync(file).size,
    /** Several requests a transaction, as a group commit would. */
    add: async (request) => {
      waiting.push(request);
      if (waiting.length >= DURABLE_REQUESTS) {
        insertAll(waiting);
        waiting = [];
      }
    },
    close: async () => {
      if (waiting.length > 0) insertAll(waiting);
      database.exec('ANALYZE');
      database.pragma('wal_checkpoint(TRUNCATE)');
      database.close();
    },
  };
}

function rowOf(span, project) {
  const attributes = {};
  for (const [key, value] of span.attributes) {
    if (key !== 'input.value' && key !== 'output.value') attributes[key] = jsonValue(value);
  }
  const text = (key) => {
    const value = span.attributes.get(key);
    return typeof value === 'string' ? value : null;
  };
  const number = (key) => {
    const value = span.attributes.get(key);
    return value === undefined ? null : Number(value);
  };
  return [
    project.tenantId,
    project.name,
    span.traceId,
    span.spanId,
    span.parentSpanId || null,
    span.name,
    span.kind,
    span.startTimeUnixNano,
    span.endTimeUnixNano,
    span.status.code,
    span.status.message,
    text('openinference.span.kind') ?? 'UNKNOWN',
    text('session.id'),
    text('llm.model_name'),
    number('llm.token_count.prompt'),
    number('llm.token_count.completion'),
    number('llm.cost.total'),
    text('input.value'),
    text('output.value'),
    JSON.stringify(attributes),
    span.events.length === 0
      ? null
      : JSON.stringify(
          span.events.map(({ name, timeUnixNano, attributes: own }) => [
            name,
            String(timeUnixNano),
            Object.fromEntries(own),
          ]),
        ),
  ];
}
