/** Sessions as JSON.   Server <-> remote store. */
import type { SessionRecord, SessionTurn, TurnContent } from '../records.js';
import type { SessionQuery } from '../session-store.js';
import type { SessionCalls, StoreSessionQuery } from '../store/session-calls.js';
import { type OperationsOf, reading } from './operation.js';
import {
  absent,
  answer,
  count,
  double,
  int64,
  nonEmpty,
  oneOf,
  optionalText,
  order,
  pageOf,
  pageSize,
  projectRef,
  request,
  type Shape,
  text,
  texts,
  time,
} from './values.js';

const sessionRecord = answer<SessionRecord>({
  id: text,
  sessionId: text,
  project: text,
  tenantId: absent(text),
  startTimeUnixNano: int64,
  endTimeUnixNano: int64,
  traceCount: count,
  errorCount: count,
  tokenCountPrompt: double,
  tokenCountCompletion: double,
  costTotal: absent(double),
  userId: absent(text),
  firstInput: absent(text),
  lastOutput: absent(text),
});

const turnContent = answer<TurnContent>({ value: text, mimeType: absent(text) });

const sessionTurn = answer<SessionTurn>({
  traceId: text,
  startTimeUnixNano: int64,
  endTimeUnixNano: int64,
  errorCount: count,
  rootSpanId: absent(text),
  rootName: absent(text),
  input: absent(turnContent),
  output: absent(turnContent),
  tokenCountPrompt: double,
  tokenCountCompletion: double,
});

const sessionQueryShape: Shape<Omit<SessionQuery, 'project'>> = {
  startTime: time('startTime'),
  endTime: time('endTime'),
  sessionId: texts,
  condition: optionalText,
  sort: oneOf(['start_time', 'end_time', 'sequence']).optional(),
  order,
  limit: pageSize,
  cursor: optionalText,
};

export const SESSION_OPERATIONS = {
  listSessions: reading(
    'POST sessions/query',
    request<StoreSessionQuery>({ project: projectRef, ...sessionQueryShape }),
    pageOf(sessionRecord),
  ),
  getSessionTurns: reading(
    'POST sessions/turns/query',
    request<Parameters<SessionCalls['getSessionTurns']>[0]>({
      project: projectRef,
      sessionId: nonEmpty,
      limit: pageSize,
      cursor: optionalText,
    }),
    pageOf(sessionTurn),
  ),
} satisfies OperationsOf<SessionCalls>;

/** The options of a provider's session store. */
export const SESSION_INPUTS = {
  sessionQuery: request<SessionQuery>({ project: optionalText, ...sessionQueryShape }),
} as const;
