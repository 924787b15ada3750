/**
 * OTLP bodies as an application sends them: traces of four spans (request, encode, search, rerank) with models, sessions, queries.
 * Every body is new: ids and times differ, so that nothing is taken for a repetition.
 */
import { encodeTraces } from '@cogniverse/foundation/otlp';

const hex = (value, digits) => value.toString(16).padStart(digits, '0');
const WORDS =
  'union state congress people government public law treaty war peace commerce nation year country citizens'.split(' ');
const text = (seed, words) =>
  Array.from({ length: words }, (_, i) => WORDS[(seed * 7 + i * (1 + (seed % 5))) % WORDS.length]).join(' ');

let counter = 0;
/** One request body of `traces` traces of one tenant's project. Gives the body and the ids of its traces. */
export function makeBody({ tenantId, project, traces, run }) {
  const spans = [];
  const traceIds = [];
  for (let t = 0; t < traces; t += 1) {
    counter += 1;
    const traceId = hex(run, 8) + hex(counter, 24);
    traceIds.push(traceId);
    const start = BigInt(Date.now()) * 1_000_000n + BigInt(counter % 1_000_000);
    const span = (index, name, kind, millis, extra) => ({
      traceId,
      spanId: hex(counter, 12) + hex(index + 1, 4),
      traceState: '',
      parentSpanId: index === 0 ? '' : hex(counter, 12) + hex(1, 4),
      flags: 1,
      name,
      kind: 1,
      startTimeUnixNano: start + BigInt(index) * 1_000_000n,
      endTimeUnixNano: start + BigInt(Math.round(millis * 1e6)),
      attributes: new Map([
        ['tenant.id', tenantId],
        ['service.name', 'document-search'],
        ['environment', 'bench'],
        ['openinference.span.kind', kind],
        ['session.id', `session-${counter % 997}`],
        ...extra,
      ]),
      droppedAttributesCount: 0,
      events: [],
      droppedEventsCount: 0,
      links: [],
      droppedLinksCount: 0,
      status: { code: counter % 50 === 0 && index === 0 ? 2 : 0, message: '' },
    });
    const latency = 20 + ((counter * 7919) % 400);
    spans.push(
      span(0, 'search_service.search', 'CHAIN', latency, [
        ['operation.name', 'search'],
        ['query', text(counter, 6)],
        ['top_k', 10n],
        ['strategy', counter % 2 ? 'bm25' : 'hybrid'],
        ['input.value', text(counter, 40)],
        ['output.value', text(counter + 1, 90)],
      ]),
      span(1, 'encoder.tfidf.encode', 'EMBEDDING', latency / 4, [
        ['encoder_type', 'tfidf'],
        ['query_length', 40n],
        ['encoding_time_ms', latency / 4],
      ]),
      span(2, 'search.execute', 'RETRIEVER', latency / 2, [
        ['backend', 'memory'],
        ['schema', 'speeches'],
        ['has_embeddings', true],
        ['num_results', 10n],
        ['top_score', (counter % 100) / 100],
      ]),
      span(3, 'rerank', 'LLM', latency / 3, [
        ['llm.model_name', counter % 3 ? 'small' : 'large'],
        ['llm.token_count.prompt', BigInt(100 + (counter % 900))],
        ['llm.token_count.completion', BigInt(10 + (counter % 90))],
      ]),
    );
  }
  const body = encodeTraces({
    resourceSpans: [
      {
        resource: {
          attributes: new Map([
            ['service.name', 'document-search'],
            ['openinference.project.name', project],
          ]),
          droppedAttributesCount: 0,
        },
        schemaUrl: '',
        scopeSpans: [
          {
            scope: { name: 'bench', version: '1', attributes: new Map(), droppedAttributesCount: 0 },
            schemaUrl: '',
            spans,
          },
        ],
      },
    ],
  });
  return { body, traceIds, spanCount: spans.length };
}
