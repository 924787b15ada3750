/** Options that several commands share, each declared once. */
import type { AttributeFilter } from '@cogniverse/foundation/telemetry';
import { type Command, InvalidArgumentError, Option } from 'commander';

export const DEFAULT_ENDPOINT = 'http://127.0.0.1:6006';

export const DEFAULT_DATA = './.cogniverse/data';

/** The server that `COGNIVERSE_ENDPOINT` names. No default of `--endpoint` itself: it would stand against `--data`. An empty variable is none. */
export function endpointOfEnvironment(): string | undefined {
  return process.env['COGNIVERSE_ENDPOINT'] || undefined;
}

/** The data directory of a command without `--data`. */
export function defaultData(): string {
  return process.env['COGNIVERSE_DATA'] || DEFAULT_DATA;
}

export interface AccessOptions {
  readonly endpoint?: string;
  readonly data?: string;
  readonly apiKey?: string;
  readonly plainHttp?: boolean;
}

export interface ScopeOptions {
  readonly project?: string;
  readonly tenant?: string;
}

const FALLBACK = ` (default, when no server was named and none runs: COGNIVERSE_DATA, else ${DEFAULT_DATA})`;

/**
 * Where to read: a server, or a data directory that no server has open. `fallback`: whether the command opens the usual directory where
 * nothing was named and the usual server does not run; see `withStore`.
 */
export function addAccessOptions(command: Command, { fallback = true, createsData = false } = {}): Command {
  return addServerOptions(command, `server to ask (default: COGNIVERSE_ENDPOINT, else ${DEFAULT_ENDPOINT})`, (added) =>
    added.addOption(
      new Option(
        '--data <dir>',
        `open this data directory${createsData ? ', which may be a new one,' : ''} instead of asking a server${fallback ? FALLBACK : ''}`,
      ).conflicts('endpoint'),
    ),
  );
}

/** A server and the key for it. `between`: what help shows behind the server. */
export function addServerOptions(
  command: Command,
  endpointMeaning: string,
  between: (command: Command) => Command = (same) => same,
): Command {
  return between(command.option('--endpoint <url>', endpointMeaning, parseEndpoint))
    .addOption(
      new Option(
        '--api-key <key>',
        'key for the server; rather in COGNIVERSE_API_KEY, where no other user sees it',
      ).env('COGNIVERSE_API_KEY'),
    )
    .option('--plain-http', 'send the key unencrypted to a server on another machine');
}

export function addScopeOptions(command: Command): Command {
  return command
    .option('--project <name>', 'full name of a project, for example cogniverse-acme-search')
    .option('--tenant <id>', 'only this tenant');
}

export function addJsonOption(command: Command): Command {
  return command.option('--json', 'one JSON object a line, for programs');
}

/** The example of a command's help. */
export function addExamples(command: Command, ...examples: string[]): Command {
  return command.addHelpText('after', `\nExample:\n${examples.map((example) => `  $ ${example}`).join('\n')}\n`);
}

export function parseEndpoint(text: string): string {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new InvalidArgumentError(`Give a URL, for example ${DEFAULT_ENDPOINT}.`);
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new InvalidArgumentError(`Give an http:// or https:// URL, for example ${DEFAULT_ENDPOINT}.`);
  }
  return text.replace(/\/+$/, '');
}

export function parseCount(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('Give a whole number from 1 on.');
  return Number(text);
}

export function parsePort(text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535) {
    throw new InvalidArgumentError('Give a port from 1 to 65535, or 0 for any free one.');
  }
  return Number(text);
}

const UNIT_MILLIS: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/** Milliseconds of `90s`, `15m`, `1h`, `7d`, `2w`; undefined for anything else. */
export function parseSpan(text: string): number | undefined {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(s|m|h|d|w)$/.exec(text) ?? [];
  return unit === undefined ? undefined : Number(number) * UNIT_MILLIS[unit]!;
}

/** `90s`, `15m`, `1h`, `7d`, `2w` before now, or an ISO 8601 time. */
export function parseSince(text: string, now: number = Date.now()): Date {
  const span = parseSpan(text);
  const millis = span !== undefined ? now - span : /^\d{4}-/.test(text) ? Date.parse(text) : Number.NaN;
  const date = new Date(millis);
  if (Number.isNaN(date.getTime())) {
    throw new InvalidArgumentError('Give an age such as 90s, 15m, 1h, 7d, or a time such as 2026-01-31T12:00:00Z.');
  }
  return date;
}

const OPERATORS: Readonly<Record<string, AttributeFilter['operator']>> = {
  '=': 'eq',
  '!=': 'ne',
  '>': 'gt',
  '>=': 'gte',
  '<': 'lt',
  '<=': 'lte',
  '~': 'contains',
};

/** A number, true or false where it looks like one; in quotation marks always a string. */
function parseFilterValue(text: string): string | number | boolean {
  const quoted = /^"(.*)"$/s.exec(text);
  if (quoted) return quoted[1]!;
  if (text === 'true' || text === 'false') return text === 'true';
  return /^-?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(text) ? Number(text) : text;
}

/** `key=value`, `key!=value`, `key>5`, `key>=5`, `key<5`, `key<=5`, `key~text` (contains), or `key` (is there at all). */
export function parseFilter(text: string, previous: readonly AttributeFilter[] = []): AttributeFilter[] {
  const match = /^([^=!<>~]+?)\s*(!=|>=|<=|=|>|<|~)\s*(.*)$/s.exec(text);
  if (match) {
    const operator = OPERATORS[match[2]!]!;
    // Nothing is greater than no value, and everything contains it: a slip, or what the shell left of an unquoted `>`.
    if (match[3] === '' && operator !== 'eq' && operator !== 'ne') {
      throw new InvalidArgumentError(`Give a value after ${match[2]}, and put the condition in quotation marks.`);
    }
    const value = operator === 'contains' ? match[3]!.replace(/^"(.*)"$/s, '$1') : parseFilterValue(match[3]!);
    return [...previous, { key: match[1]!.trim(), operator, value }];
  }
  if (!/^[^=!<>~\s]+$/.test(text)) {
    throw new InvalidArgumentError(
      'Give key=value, or another of !=, >, >=, <, <=, ~ (contains) between key and value.',
    );
  }
  return [...previous, { key: text, operator: 'exists' }];
}
