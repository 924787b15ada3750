/**
 * The embedded store and server over five million spans, with ingest going on: goals 6 to 9.   `npm run bench -- store-goals [options]`
 *
 *   --spans N            spans stored before, over seven days (default: 5000000)
 *   --seconds N          how long ingest with queries lasts (default: 600)
 *   --rate N             spans offered a second meanwhile (default: 10000)
 *   --ceiling-seconds N  how long it is then offered as much as is acknowledged; 0 leaves it out (default: 60)
 *   --rounds N           how often each question is asked of each project (default: 20)
 *   --sqlite-spans N     spans in the SQLite beside it; 0 leaves it out (default: as many as --spans)
 *   --phoenix-seconds N  how long a real Phoenix is given spans; 0 leaves it out (default: 600)
 *   --data DIR           where the stores are kept between runs (default: store-goals in the cache of the user)
 *   --only A,B,...       parts to run: fill, start, questions, ingest, size, sqlite, phoenix (default: all)
 *   --json               the last line is the result as JSON
 *
 * The spans are those of the demo, varied (spans.mjs). They are loaded through the store's own ingest, once; later runs use what is there. Ingest runs on a copy, against a
 * `cogniverse serve` of its own process, from a process of its own, while one client asks questions one after the other. Prints what it does, and writes its tables to
 * bench/results/store-goals.md. The first run needs an hour, 15 GB of disk, and the network for the peers; later ones half an hour.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { cpus, tmpdir, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openLocalStore } from '@cogniverse/telemetry-local';
import { phoenixVersion, setUpPhoenix, sharedCache, startPhoenix } from '../../scripts/phoenix.mjs';
import { ASKED, DAYS, fill } from './data.mjs';
import { HTTP_QUESTIONS, QUESTIONS, spread } from './questions.mjs';
import { SpanGenerator } from './spans.mjs';
import { openSqlite } from './sqlite.mjs';

const PARTS = ['fill', 'size', 'start', 'questions', 'ingest', 'sqlite', 'phoenix'];
const NANOS_PER_MILLI = 1_000_000n;
const DAY_MILLIS = 86_400_000;
const MIB = 1024 * 1024;
/** A server that has nothing to do gives memory back after five to ten seconds. */
const IDLE_MILLIS = 15_000;
const { values } = parseArgs({
  options: {
    spans: { type: 'string', default: '5000000' },
    seconds: { type: 'string', default: '600' },
    rate: { type: 'string', default: '10000' },
    'ceiling-seconds': { type: 'string', default: '60' },
    rounds: { type: 'string', default: '20' },
    'sqlite-spans': { type: 'string' },
    'phoenix-seconds': { type: 'string', default: '600' },
    data: { type: 'string' },
    only: { type: 'string', default: PARTS.join(',') },
    json: { type: 'boolean', default: false },
  },
});
const total = Number(values.spans);
const sqliteSpans = Number(values['sqlite-spans'] ?? values.spans);
const rounds = Number(values.rounds);
const home = resolve(values.data ?? join(sharedCache(), 'store-goals'));
const chosen = new Set(values.only.split(','));
for (const part of chosen)
  if (!PARTS.includes(part)) throw new Error(`--only names "${part}"; known are ${PARTS.join(', ')}`);
const directory = join(home, `ours-${total}`);
const dataDir = join(directory, 'data');
const file = (path) => fileURLToPath(new URL(path, import.meta.url));

const lines = [];
/** Progress goes to standard error, what is found to standard output and into the file of results. */
const say = (text) => process.stderr.write(`${text}\n`);
const print = (text = '') => {
  lines.push(text);
  process.stdout.write(`${text}\n`);
};
const ms = (number) => (Number.isFinite(number) ? (number < 10 ? number.toFixed(1) : number.toFixed(0)) : '-');
const table = (head, rows) => {
  print(`| ${head.join(' | ')} |`);
  print(`| ${head.map(() => '---').join(' | ')} |`);
  for (const row of rows) print(`| ${row.join(' | ')} |`);
  print();
};
const bytesOf = (folder) =>
  readdirSync(folder, { recursive: true }).reduce((sum, name) => {
    const found = statSync(join(folder, name));
    return found.isFile() ? sum + found.size : sum;
  }, 0);
const rssOf = (pid) => (Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024) / MIB;
/** Processor time of a process so far, in seconds; Linux counts it in hundredths. */
const cpuOf = (pid) => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
};
const sleep = (millis) => new Promise((done) => setTimeout(done, millis));
const result = { node: process.version, cpus: cpus().length, model: cpus()[0].model.trim() };

async function fillOurs() {
  return fill(directory, {
    total,
    say,
    open: async () => {
      const store = await openLocalStore({ dataDir, compactAfterMillis: 10_000 });
      return {
        add: async ({ body }) => {
          for (;;) {
            const answer = await store.ingest({ body: new Uint8Array(body), format: 'protobuf' });
            if (answer.status === 'stored') return;
            if (answer.status !== 'overloaded') throw new Error(answer.message);
            await sleep(20);
          }
        },
        // A store is measured as it is when its days are over: each written anew in one piece.
        close: async () => {
          for (;;) {
            const { hot_spans, compaction_days_waiting } = await store.figures();
            if (hot_spans === 0 && compaction_days_waiting === 0) break;
            await sleep(200);
          }
          await store.shutdown();
        },
      };
    },
  });
}

/** A `cogniverse serve` on a directory, ready. Gives how long that took from the start of the process. */
async function serve(data) {
  const began = performance.now();
  const child = spawn(
    process.execPath,
    [
      file('../../libs/cli/dist/cogniverse.cjs'),
      'serve',
      '--data',
      data,
      '--port',
      '0',
      '--otlp-port',
      '0',
      '--grpc-port',
      '0',
      '--json',
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const [first] = await Promise.race([
    once(child.stdout, 'data'),
    once(child, 'exit').then(() => {
      throw new Error('cogniverse serve ended before it was ready');
    }),
  ]);
  const { http } = JSON.parse(String(first).split('\n')[0]);
  while (!(await fetch(`${http}/readyz`)).ok) await sleep(5);
  const readyMillis = performance.now() - began;
  child.stdout.resume();
  return {
    http,
    readyMillis,
    pid: child.pid,
    stop: async () => {
      child.kill('SIGTERM');
      if (child.exitCode === null) await once(child, 'exit');
    },
  };
}

/** What to ask about each project: the whole of the last day of what was made, and traces and sessions that are there. */
const aboutOf = (made, place, i) => ({
  project: ASKED[place],
  ...made.samples[place][i % made.samples[place].length],
  day: [BigInt(made.endMillis - DAY_MILLIS) * NANOS_PER_MILLI, BigInt(made.endMillis) * NANOS_PER_MILLI],
});

/** Goal 7. */
async function start(made) {
  print('## Start and idle memory (goal 7)\n');
  const rows = [];
  const empty = mkdtempSync(join(tmpdir(), 'cogniverse-bench-'));
  try {
    for (const [what, data] of [
      ['an empty store', empty],
      [`${made.spans} spans`, dataDir],
    ]) {
      const ready = [];
      const idle = [];
      for (let i = 0; i < 3; i++) {
        const server = await serve(data);
        ready.push(server.readyMillis);
        await sleep(IDLE_MILLIS);
        idle.push(rssOf(server.pid));
        await server.stop();
      }
      rows.push([what, `${ready.map(ms).join(', ')} ms`, `${idle.map((mib) => mib.toFixed(0)).join(', ')} MiB`]);
      result[what === 'an empty store' ? 'startEmpty' : 'startFull'] = { ready, idle };
    }
  } finally {
    rmSync(empty, { recursive: true, force: true });
  }
  table(
    ['`cogniverse serve` over', 'ready after, three starts', `resident memory ${IDLE_MILLIS / 1000} s later`],
    rows,
  );
  print('Goals: under 1000 ms empty, under 3000 ms over five million; under 150 MB idle.\n');
}

/** Asks each question of each project, in turn, so that what disturbs the machine disturbs all alike. */
async function askAll(made, answers) {
  const times = new Map();
  for (let round = 0; round <= rounds; round++) {
    for (const [name, question] of Object.entries(QUESTIONS)) {
      for (let place = 0; place < ASKED.length; place++) {
        const about = aboutOf(made, place, round);
        const began = performance.now();
        const answer = await answers(question, about);
        const took = performance.now() - began;
        const key = `${name} ${place}`;
        if (!times.has(key)) times.set(key, { cold: took, warm: [], answers: [] });
        const known = times.get(key);
        if (round > 0) known.warm.push(took);
        known.answers.push(JSON.stringify(answer));
      }
    }
  }
  return times;
}

/** Goal 8, and SQLite beside it. */
async function questions(made) {
  const store = await openLocalStore({ dataDir });
  let ours;
  try {
    ours = await askAll(made, (question, about) => question.ours(store, about));
  } finally {
    await store.shutdown();
  }
  let sqlite;
  let differing = [];
  if (chosen.has('sqlite') && sqliteSpans > 0) {
    const folder = join(home, `sqlite-${sqliteSpans}`);
    const sqliteMade = await fill(folder, {
      total: sqliteSpans,
      say,
      open: () => openSqlite(join(folder, 'spans.sqlite'), { cache: home, say }),
    });
    const opened = openSqlite(join(folder, 'spans.sqlite'), { cache: home, say });
    // A question takes it seconds; it is asked less often.
    sqlite = await askAllOfSqlite(sqliteMade, opened.database);
    result.sqlite = {
      spans: sqliteMade.spans,
      bytes: opened.bytes(),
      rate: sqliteMade.spans / (sqliteMade.millis / 1000),
      cpuMicros: sqliteMade.cpuMicros / sqliteMade.spans,
    };
    opened.database.close();
    if (sqliteMade.spans === made.spans && sqliteMade.endMillis === made.endMillis) {
      differing = [...sqlite]
        .filter(([key, { answers }]) => answers[0] !== ours.get(key).answers[0])
        .map(([key]) => key);
    }
  }
  print(`## Questions over ${made.spans} spans, at rest (goal 8)\n`);
  print(
    `In process, ${rounds} times each after a first one, of projects with 19, 1.8 and 0.3 % of the spans. Milliseconds: p50 (p95).\n`,
  );
  const rows = [];
  for (const [name, { goal }] of Object.entries(QUESTIONS)) {
    const cells = [];
    let worst = 0;
    for (let place = 0; place < ASKED.length; place++) {
      const { p50, p95 } = spread(ours.get(`${name} ${place}`).warm);
      worst = Math.max(worst, p95);
      cells.push(`${ms(p50)} (${ms(p95)})`);
    }
    const verdict = goal === undefined ? '' : worst < goal ? `under ${goal}: yes` : `under ${goal}: **no**`;
    cells.push(verdict, ms(ours.get(`${name} 0`).cold));
    if (sqlite) {
      const middle = ASKED.map((_, place) => spread(sqlite.get(`${name} ${place}`).warm).p50);
      cells.push(
        ...middle.map(
          (theirs, place) => `${ms(theirs)} (${(theirs / spread(ours.get(`${name} ${place}`).warm).p50).toFixed(1)})`,
        ),
      );
    }
    rows.push([name, ...cells]);
    result[name] = ASKED.map((_, place) => spread(ours.get(`${name} ${place}`).warm));
  }
  table(
    [
      'question',
      'large',
      'middle',
      'small',
      'goal, p95 of all',
      'first, large',
      ...(sqlite ? ['SQLite large (ratio)', 'middle', 'small'] : []),
    ],
    rows,
  );
  if (sqlite) {
    const { spans, bytes, rate, cpuMicros } = result.sqlite;
    print(
      `SQLite (better-sqlite3, WAL, synchronous FULL, six indexes): ${spans} spans at ${Math.round(rate)} spans/s and ${cpuMicros.toFixed(0)} us CPU a span with the generator, ${(bytes / spans).toFixed(0)} bytes a span.`,
    );
    print(differing.length === 0 ? 'Both gave the same answers.\n' : `Answers that differ: ${differing.join('; ')}.\n`);
  }
}

async function askAllOfSqlite(made, database) {
  const times = new Map();
  for (const [name, { sqlite }] of Object.entries(QUESTIONS)) {
    for (let place = 0; place < ASKED.length; place++) {
      const known = { cold: 0, warm: [], answers: [] };
      times.set(`${name} ${place}`, known);
      for (let round = 0; round <= rounds; round++) {
        const about = aboutOf(made, place, round);
        const began = performance.now();
        known.answers.push(JSON.stringify(sqlite(database, about)));
        const took = performance.now() - began;
        if (round === 0) known.cold = took;
        else known.warm.push(took);
        if (round > 0 && took > 1000 && round >= 3) break;
      }
    }
  }
  return times;
}

async function timed(url) {
  const began = performance.now();
  const answer = await fetch(url);
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${text.slice(0, 200)}`);
  return performance.now() - began;
}

/** Asks one question after the other until told to stop. */
async function askWhile(made, http, going) {
  const names = Object.keys(HTTP_QUESTIONS);
  const times = new Map([...names, 'statistics of a day, one tenant'].map((name) => [name, []]));
  for (let i = 0; going(); i++) {
    const about = aboutOf(made, i % ASKED.length, Math.floor(i / ASKED.length));
    const { tenantId, name: project } = about.project;
    const day = `start_time=${new Date(made.endMillis - DAY_MILLIS).toISOString()}&end_time=${new Date(made.endMillis).toISOString()}`;
    for (const [name, list] of times) {
      if (!going()) break;
      const path =
        HTTP_QUESTIONS[name]?.({ ...about, project, tenant: tenantId }) ??
        `/v1/cogniverse/statistics?tenant=${tenantId}&${day}`;
      list.push(await timed(http + path));
    }
  }
  return times;
}

/** A process that sends generated spans; what it measured, when it is done. */
async function send(url, { rate, seconds, part }) {
  const child = spawn(process.execPath, [file('sender.mjs'), url, String(rate), String(seconds), String(part)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk) => {
    text += chunk;
  });
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`the sender ended with ${code}`);
  return JSON.parse(text);
}

/** Goal 6. */
async function ingest(made) {
  say('copying the store');
  const copy = join(home, 'copy');
  rmSync(copy, { recursive: true, force: true });
  cpSync(dataDir, copy, { recursive: true });
  rmSync(join(copy, 'lock'), { force: true });
  const server = await serve(copy);
  const rows = [];
  const byQuestion = [];
  try {
    const phases = [
      {
        what: `${values.rate} spans/s offered`,
        rate: Number(values.rate),
        seconds: Number(values.seconds),
        asks: true,
      },
      ...(Number(values['ceiling-seconds']) === 0
        ? []
        : [
            { what: 'as fast as answers come', rate: 0, seconds: Number(values['ceiling-seconds']), asks: true },
            { what: 'the same without queries', rate: 0, seconds: Number(values['ceiling-seconds']), asks: false },
          ]),
    ];
    let part = 1_000_000;
    for (const { what, rate, seconds, asks } of phases) {
      say(`${what}: ${seconds} s`);
      part += 1000;
      const cpuBefore = cpuOf(server.pid);
      let going = true;
      const peak = { rss: 0 };
      const watch = setInterval(() => {
        peak.rss = Math.max(peak.rss, rssOf(server.pid));
      }, 500);
      const asked = asks ? askWhile(made, server.http, () => going) : new Map();
      let sent;
      try {
        sent = await send(`${server.http}/v1/traces`, { rate, seconds, part });
      } finally {
        going = false;
        clearInterval(watch);
      }
      const times = await asked;
      const cpu = cpuOf(server.pid) - cpuBefore;
      const all = spread([...times.values()].flat());
      rows.push([
        what,
        `${seconds} s`,
        Math.round(sent.rate),
        sent.refused,
        `${ms(sent.acknowledgement.p50)}, ${ms(sent.acknowledgement.p99)}, ${ms(sent.acknowledgement.max)}`,
        asks ? `${ms(all.p50)}, ${ms(all.p95)}, ${ms(all.p99)}` : '-',
        all.n,
        (cpu / sent.seconds).toFixed(2),
        ((cpu / sent.acknowledged) * 1e6).toFixed(0),
        peak.rss.toFixed(0),
      ]);
      if (asks) byQuestion.push([what, times]);
      result[what] = { ...sent, queries: all, cores: cpu / sent.seconds, peakRssMib: peak.rss };
    }
  } finally {
    await server.stop();
    rmSync(copy, { recursive: true, force: true });
  }
  print(`## Ingest with queries over ${made.spans} spans (goal 6)\n`);
  table(
    [
      'offered',
      'for',
      'acknowledged, spans/s',
      'requests refused',
      'acknowledgement p50, p99, max, ms',
      'query p50, p95, p99, ms',
      'queries',
      'cores of the server',
      'us CPU a span, queries among it',
      'most memory, MiB',
    ],
    rows,
  );
  print(
    'Goals: 10,000 spans/s with query p95 under 100 ms and acknowledgement p99 under 25 ms; ceiling with queries 20,000 spans/s.\n',
  );
  table(
    ['question over HTTP, ms', ...byQuestion.map(([what]) => `${what}: p50, p95, p99`)],
    [...byQuestion[0][1].keys()].map((name) => [
      name,
      ...byQuestion.map(([, times]) => {
        const { p50, p95, p99 } = spread(times.get(name));
        return `${ms(p50)}, ${ms(p95)}, ${ms(p99)}`;
      }),
    ]),
  );
}

/** Goal 9. */
function size(made) {
  const bytes = bytesOf(dataDir);
  print('## Size (goal 9)\n');
  const onWire = made.bytes / made.spans;
  print(
    `${made.spans} spans of ${onWire.toFixed(0)} bytes on the wire take ${(bytes / made.spans).toFixed(0)} bytes each on disk: ${(bytes / made.spans / 1000).toFixed(3)} GB a million, ` +
      `${(((bytes / made.spans / onWire) * 1000) / 1000).toFixed(2)} of the wire. Goal: under 0.5 GB a million of 1 kB, so under ${(0.5 * onWire).toFixed(0)} bytes each here.`,
  );
  print(
    `Loaded at ${Math.round(made.spans / (made.millis / 1000))} spans/s, ${(made.cpuMicros / made.spans).toFixed(0)} us CPU a span with the generator.\n`,
  );
  result.size = { bytes, spans: made.spans, wire: made.bytes };
}

/** A real Phoenix, given spans for as long as was asked, then the same questions of it and of a server of ours with the same spans. */
async function phoenix() {
  const seconds = Number(values['phoenix-seconds']);
  if (seconds === 0) return;
  const { python } = await setUpPhoenix({ say });
  const theirs = mkdtempSync(join(tmpdir(), 'cogniverse-phoenix-'));
  const oursDir = mkdtempSync(join(tmpdir(), 'cogniverse-bench-'));
  const began = performance.now();
  const running = await startPhoenix({ python, directory: theirs });
  const readyMillis = performance.now() - began;
  await sleep(5000);
  const idle = rssOf(running.pid);
  const server = await serve(oursDir);
  try {
    say(`Phoenix is given spans for ${seconds} s`);
    const sent = { requests: [], spans: 0 };
    const generator = new SpanGenerator();
    generator.begin(2_000_000);
    const post = async (url, body) =>
      (await fetch(`${url}/v1/traces`, { method: 'POST', body, headers: { 'content-type': 'application/x-protobuf' } }))
        .status;
    const stored = async () => {
      const answer = await (
        await fetch(`${running.url}/graphql`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: '{"query":"{projects{edges{node{traceCount recordCount}}}}"}',
        })
      ).json();
      return answer.data.projects.edges.reduce((sum, { node }) => sum + node.recordCount, 0);
    };
    const end = performance.now() + seconds * 1000;
    const known = ASKED.map(() => []);
    while (performance.now() < end) {
      const request = generator.request(100, (i) => Date.now() + i);
      while ((await post(running.url, request.body)) !== 200 && performance.now() < end) await sleep(200);
      sent.requests.push(request.body);
      sent.spans += request.spans;
      const place = ASKED.findIndex(({ name }) => name === request.project.name);
      if (place !== -1) known[place].push({ traceId: request.traceIds[0], session: request.session });
      // It accepts faster than it stores, and forgets nothing only as long as its memory lasts: no more than this may wait.
      while (sent.spans - (await stored()) > 4000 && performance.now() < end) await sleep(250);
    }
    const taken = await stored();
    say(`Phoenix stored ${taken} of ${sent.spans} spans; waiting for the rest`);
    for (let last = -1, now = taken; now !== last && now < sent.spans; ) {
      await sleep(5000);
      last = now;
      now = await stored();
    }
    for (const body of sent.requests)
      if ((await post(server.http, body)) !== 200) throw new Error('our server refused a request');
    print(`## Beside a real Phoenix ${phoenixVersion()}\n`);
    print(
      `In ${seconds} s Phoenix stored ${taken} spans (${(taken / seconds).toFixed(0)} a second). Ready after ${ms(readyMillis)} ms, then ${idle.toFixed(0)} MiB; ours after ${ms(server.readyMillis)} ms.`,
    );
    print(
      `The same ${sent.spans} spans in both, questions over HTTP in turn, ${rounds} times each after a first one. Milliseconds.\n`,
    );
    // A short run may have sent nothing of the smaller projects.
    const places = ASKED.map((_, place) => place).filter((place) => known[place].length > 0);
    if (places.length === 0)
      throw new Error('nothing of the projects that are asked about was sent; give Phoenix more time');
    const rows = [];
    for (const [name, path] of Object.entries(HTTP_QUESTIONS)) {
      const times = { ours: [], theirs: [] };
      for (let i = 0; i <= rounds; i++) {
        for (const [whose, url] of [
          ['ours', server.http],
          ['theirs', running.url],
        ]) {
          const place = places[i % places.length];
          const about = known[place][i % known[place].length];
          const took = await timed(url + path({ ...about, project: ASKED[place].name, tenant: ASKED[place].tenantId }));
          if (i > 0) times[whose].push(took);
        }
      }
      const [own, other] = [spread(times.ours), spread(times.theirs)];
      rows.push([
        name,
        `${ms(own.p50)} (${ms(own.p95)})`,
        `${ms(other.p50)} (${ms(other.p95)})`,
        (other.p50 / own.p50).toFixed(1),
      ]);
    }
    table(['question', 'ours p50 (p95)', 'Phoenix p50 (p95)', 'Phoenix / ours'], rows);
    result.phoenix = { seconds, stored: taken, readyMillis, idle };
  } finally {
    await Promise.all([server.stop(), running.stop()]);
    rmSync(theirs, { recursive: true, force: true });
    rmSync(oursDir, { recursive: true, force: true });
  }
}

print(`# Goals 6 to 9 over ${total} spans\n`);
print(
  `Node ${process.version}, ${cpus().length} x ${cpus()[0].model.trim()}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB; ${new Date().toISOString().slice(0, 10)}. Spans over ${DAYS} days.\n`,
);
const made = await fillOurs();
if (chosen.has('size')) size(made);
if (chosen.has('start')) await start(made);
if (chosen.has('questions')) await questions(made);
if (chosen.has('ingest') && Number(values.seconds) > 0) await ingest(made);
if (chosen.has('phoenix')) await phoenix();
const results = file('../results/store-goals.md');
mkdirSync(file('../results'), { recursive: true });
writeFileSync(results, `${lines.join('\n')}\n`);
say(`written to ${results}`);
if (values.json) process.stdout.write(`${JSON.stringify(result)}\n`);
if (!existsSync(results)) process.exitCode = 1;
