/** The users: they hold their conversations with the service over HTTP, each question a trace. */
import type { Telemetry } from '@cogniverse/foundation/telemetry';
import type { Collection } from './collection.js';
import { gradesFor, type Judgement, judge } from './relevance.js';
import type { SearchAnswer, SearchRequest } from './search-service.js';
import type { DemoTenant } from './tenants.js';
import type { Conversation, Question } from './traffic.js';

/** What the service answered instead of a result. */
export class ServiceError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(`${status}: ${message}`);
    this.name = 'ServiceError';
    this.status = status;
  }
}

export interface JudgedSpan {
  readonly spanId: string;
  readonly judgement: Judgement;
}

export interface ClientResult {
  readonly asked: number;
  readonly failed: number;
  readonly judged: readonly JudgedSpan[];
}

async function call(url: string, init: RequestInit): Promise<unknown> {
  const response = await fetch(url, init);
  const body = (await response.json()) as { error?: string };
  if (!response.ok) throw new ServiceError(response.status, body.error ?? response.statusText);
  return body;
}

/** One search over HTTP. Errors: `ServiceError`. */
export async function askSearch(
  serviceUrl: string,
  tenantId: string,
  sessionId: string,
  request: SearchRequest,
): Promise<SearchAnswer> {
  const { query, strategy, topK } = request;
  return (await call(`${serviceUrl}/tenants/${tenantId}/search`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-session-id': sessionId },
    body: JSON.stringify({ query, strategy, topK }),
  })) as SearchAnswer;
}

function positionsOf(collection: Collection, answer: SearchAnswer): number[] {
  return answer.results.map((result) => collection.positionOf(result.id)!);
}

/** Judges an answer for the passage that the user had in mind. */
export function judgeAnswer(collection: Collection, about: number, answer: SearchAnswer): Judgement {
  return judge(gradesFor(collection, about), positionsOf(collection, answer));
}

/** Holds all conversations of a tenant, as many at a time as it has users. */
export async function runConversations(options: {
  telemetry: Telemetry;
  serviceUrl: string;
  tenant: DemoTenant;
  collection: Collection;
  conversations: readonly Conversation[];
}): Promise<ClientResult> {
  const { telemetry, serviceUrl, tenant, collection, conversations } = options;
  const judged: JudgedSpan[] = [];
  let asked = 0;
  let failed = 0;

  const ask = (question: Question, sessionId: string) => {
    const input = question.kind === 'search' ? question.query : question.documentId;
    const attributes = {
      'openinference.span.kind': 'CHAIN',
      'input.value': input.slice(0, 500),
      'question.kind': question.kind,
    };
    return telemetry.span('document_search.ask', { tenantId: tenant.id, attributes }, async (span) => {
      if (question.kind === 'document') {
        const url = `${serviceUrl}/tenants/${tenant.id}/documents/${encodeURIComponent(question.documentId)}`;
        await call(url, { headers: { 'x-session-id': sessionId } });
        return undefined;
      }
      const answer = await askSearch(serviceUrl, tenant.id, sessionId, question);
      span.setAttribute('output.value', answer.results.map((result) => result.id).join(' '));
      return { spanId: span.spanContext().spanId, about: question.about, answer };
    });
  };

  const waiting = [...conversations];
  const user = async () => {
    for (let conversation = waiting.shift(); conversation !== undefined; conversation = waiting.shift()) {
      const { sessionId, questions } = conversation;
      await telemetry.session({ tenantId: tenant.id, sessionId }, async () => {
        for (const question of questions) {
          asked += 1;
          try {
            const answered = await ask(question, sessionId);
            if (answered === undefined) continue;
            const { spanId, about, answer } = answered;
            judged.push({ spanId, judgement: judgeAnswer(collection, about, answer) });
          } catch (error) {
            if (!(error instanceof ServiceError)) throw error;
            failed += 1; // the user sees the message and asks something else
          }
        }
      });
    }
  };
  await Promise.all(Array.from({ length: tenant.concurrency }, user));
  return { asked, failed, judged };
}
