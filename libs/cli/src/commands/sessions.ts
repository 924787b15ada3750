/** `cogniverse sessions [ID]`: the newest sessions, or the turns of one.   Read path. */

import { itemsOfPages, SessionNotFoundError } from '@cogniverse/foundation/store';
import type { ProjectRecord, SessionRecord, SessionTurn, TelemetryStore } from '@cogniverse/foundation/telemetry';
import { Command } from 'commander';
import { CliError } from '../cli-error.js';
import { jsonLine } from '../format/json.js';
import { table } from '../format/table.js';
import type { Terminal } from '../format/terminal.js';
import { count, duration, fit, safe, time } from '../format/text.js';
import {
  type AccessOptions,
  addAccessOptions,
  addExamples,
  addJsonOption,
  addScopeOptions,
  parseCount,
  parseSince,
  type ScopeOptions,
} from '../options.js';
import { findProjects, withStore } from '../store-access.js';

interface SessionsOptions extends AccessOptions, ScopeOptions {
  readonly since?: Date;
  readonly limit?: number;
  readonly json?: boolean;
}

const LARGEST_PAGE = 1000;
const DEFAULT_LIMIT = 20;
const TEXT_WIDTH = 48;

/** The newest sessions of all projects, newest first. */
async function newestSessions(
  store: TelemetryStore,
  projects: readonly ProjectRecord[],
  startTime: Date | undefined,
  limit: number,
): Promise<SessionRecord[]> {
  const found: SessionRecord[] = [];
  for (const { tenantId, name } of projects) {
    const project = { tenantId, name };
    let left = limit;
    const sessions = itemsOfPages((cursor) =>
      store.listSessions({ project, startTime, cursor, limit: Math.min(left, LARGEST_PAGE) }),
    );
    for await (const session of sessions) {
      found.push(session);
      left -= 1;
      if (left === 0) break;
    }
  }
  return found
    .sort((a, b) =>
      a.startTimeUnixNano > b.startTimeUnixNano ? -1 : a.startTimeUnixNano < b.startTimeUnixNano ? 1 : 0,
    )
    .slice(0, limit);
}

/** Undefined where the project has no such session. */
async function turnsOf(
  store: TelemetryStore,
  { tenantId, name }: ProjectRecord,
  sessionId: string,
): Promise<SessionTurn[] | undefined> {
  const project = { tenantId, name };
  const turns: SessionTurn[] = [];
  try {
    for await (const turn of itemsOfPages((cursor) =>
      store.getSessionTurns({ project, sessionId, cursor, limit: LARGEST_PAGE }),
    )) {
      turns.push(turn);
    }
  } catch (error) {
    if (error instanceof SessionNotFoundError) return undefined;
    throw error;
  }
  return turns;
}

function short(text: string | undefined): string {
  return text === undefined ? '-' : fit(safe(text.replace(/\s+/g, ' ').trim()), TEXT_WIDTH);
}

function errors(terminal: Terminal, number: number): string {
  return number === 0 ? '-' : terminal.colors.red(String(number));
}

const SESSION_COLUMNS = [
  { title: 'START (UTC)' },
  { title: 'TENANT' },
  { title: 'SESSION' },
  { title: 'TRACES', align: 'right' as const },
  { title: 'ERRORS', align: 'right' as const },
  { title: 'TOKENS', align: 'right' as const },
  { title: 'USER' },
  { title: 'FIRST INPUT' },
];

function sessionRow(terminal: Terminal, session: SessionRecord): string[] {
  const tokens = session.tokenCountPrompt + session.tokenCountCompletion;
  return [
    time(session.startTimeUnixNano),
    safe(session.tenantId ?? '-'),
    safe(session.sessionId),
    session.traceCount.toLocaleString('en-US'),
    errors(terminal, session.errorCount),
    tokens === 0 ? '-' : tokens.toLocaleString('en-US'),
    short(session.userId),
    short(session.firstInput),
  ];
}

const TURN_COLUMNS = [
  { title: 'START (UTC)' },
  { title: 'NAME' },
  { title: 'DURATION', align: 'right' as const },
  { title: 'ERRORS', align: 'right' as const },
  { title: 'INPUT' },
  { title: 'OUTPUT' },
  { title: 'TRACE' },
];

function turnRow(terminal: Terminal, turn: SessionTurn): string[] {
  return [
    time(turn.startTimeUnixNano),
    short(turn.rootName),
    duration(Number(turn.endTimeUnixNano - turn.startTimeUnixNano) / 1e6),
    errors(terminal, turn.errorCount),
    short(turn.input?.value),
    short(turn.output?.value),
    turn.traceId,
  ];
}

export function sessionsCommand(terminal: Terminal): Command {
  const command = new Command('sessions')
    .description('List sessions, newest first; or show the turns of one.')
    .argument('[id]', 'session id: its turns are shown, the oldest first');
  addScopeOptions(command);
  command.option('--since <age>', 'only sessions with a span since then: 90s, 15m, 1h, 7d, or an ISO time', (text) =>
    parseSince(text),
  );
  command.option('--limit <n>', `at most so many sessions (default: ${DEFAULT_LIMIT})`, parseCount);
  addAccessOptions(command);
  addJsonOption(command);
  addExamples(command, 'cogniverse sessions --tenant acme --since 1h', 'cogniverse sessions s-1 --tenant acme --json');
  return command.action((id: string | undefined, options: SessionsOptions) =>
    withStore(options, async (store) => {
      const projects = await findProjects(store, options);
      if (id !== undefined) await showTurns(terminal, store, projects, id, options.json === true);
      else await showSessions(terminal, store, projects, options);
    }),
  );
}

async function showSessions(
  terminal: Terminal,
  store: TelemetryStore,
  projects: readonly ProjectRecord[],
  { since, limit = DEFAULT_LIMIT, json }: SessionsOptions,
): Promise<void> {
  const sessions = await newestSessions(store, projects, since, limit);
  if (json) {
    for (const session of sessions) terminal.line(jsonLine(session));
    return;
  }
  if (sessions.length === 0) {
    terminal.note('No session fits.');
    return;
  }
  const rows = sessions.map((session) => sessionRow(terminal, session));
  terminal.line(table(terminal, SESSION_COLUMNS, rows));
  if (sessions.length === limit) terminal.note(`The newest ${limit} are shown; more with --limit.`);
}

async function showTurns(
  terminal: Terminal,
  store: TelemetryStore,
  projects: readonly ProjectRecord[],
  sessionId: string,
  json: boolean,
): Promise<void> {
  let found = false;
  for (const project of projects) {
    const turns = await turnsOf(store, project, sessionId);
    if (turns === undefined) continue;
    const { name, tenantId } = project;
    if (json) {
      for (const turn of turns) terminal.line(jsonLine({ sessionId, project: name, tenantId, ...turn }));
    } else {
      if (found) terminal.line('');
      const parts = [
        `session ${safe(sessionId)}`,
        `project ${safe(name)}`,
        `tenant ${safe(tenantId ?? '-')}`,
        count(turns.length, 'turn'),
      ];
      terminal.line(parts.join(' · '));
      terminal.line(
        table(
          terminal,
          TURN_COLUMNS,
          turns.map((turn) => turnRow(terminal, turn)),
        ),
      );
    }
    found = true;
  }
  if (!found) throw new CliError(`No session "${safe(sessionId)}" is stored. See the newest with: cogniverse sessions`);
}
