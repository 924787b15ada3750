/** `cogniverse keys`: who may ask the server, and for what.   Control path: shell -> [keys] -> key file -> server. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { AccessKeyRecord, AccessKeys } from '@cogniverse/server';
import { Command, InvalidArgumentError, Option } from 'commander';
import { CliError, UsageError } from '../cli-error.js';
import { jsonLine } from '../format/json.js';
import { table } from '../format/table.js';
import type { Terminal } from '../format/terminal.js';
import { safe } from '../format/text.js';
import { addExamples, addJsonOption, DEFAULT_DATA, defaultData, parseSpan } from '../options.js';

interface DirectoryOptions {
  readonly data?: string;
  readonly json?: boolean;
}

interface CreateOptions extends DirectoryOptions {
  readonly tenant?: string;
  readonly operator?: boolean;
  readonly read?: boolean;
  readonly ingest?: boolean;
  readonly name?: string;
  readonly expires?: Date;
}

/** Works on the file alone: no server has to run, and one that does sees it at once. */
async function keysOf(options: DirectoryOptions): Promise<AccessKeys> {
  // Loaded here: no other command but `serve` needs the server's code.
  const { AccessKeys, accessKeyFile } = await import('@cogniverse/server/options');
  return new AccessKeys({ file: accessKeyFile(options.data ?? defaultData()) });
}

function addDirectoryOptions(command: Command): Command {
  command.option('--data <dir>', `data directory of the server (default: COGNIVERSE_DATA, else ${DEFAULT_DATA})`);
  return addJsonOption(command);
}

function rights({ read, ingest }: AccessKeyRecord): string {
  return [read ? 'read' : '', ingest ? 'ingest' : ''].filter((right) => right !== '').join(', ');
}

function owner({ tenantId }: AccessKeyRecord): string {
  return tenantId === undefined ? 'the operator' : `tenant ${safe(tenantId)}`;
}

/** `30d` from now, or an ISO 8601 time. */
function parseExpiry(text: string): Date {
  const millis = parseSpan(text);
  const date = new Date(millis === undefined ? (/^\d{4}-/.test(text) ? text : Number.NaN) : Date.now() + millis);
  if (!(date.getTime() > Date.now())) {
    throw new InvalidArgumentError(
      'Give a time from now such as 12h, 90d, or a time to come such as 2027-01-31T12:00:00Z.',
    );
  }
  return date;
}

function createCommand(terminal: Terminal): Command {
  const command = new Command('create')
    .description('Make a key and print it, once. From the first key on the server lets nobody in without one.')
    .addOption(new Option('--tenant <id>', 'the key opens this tenant alone').conflicts('operator'))
    .option('--operator', 'the key opens all tenants, and what is for the operator alone')
    .option('--read', 'it may read (without --read and --ingest: both)')
    .option('--ingest', 'it may send spans')
    .option('--name <text>', 'what it is for, for `keys list`')
    .option(
      '--expires <time>',
      'until when: 12h, 90d, 2027-01-31T12:00:00Z (default: until it is revoked)',
      parseExpiry,
    );
  addDirectoryOptions(command);
  addExamples(
    command,
    'cogniverse keys create --tenant acme --ingest --name "search service"',
    'cogniverse keys create --operator --expires 90d',
  );
  return command.action(async ({ tenant, operator, read, ingest, name, expires, ...options }: CreateOptions) => {
    if (tenant === undefined && operator !== true) {
      throw new UsageError('Say whose key it is: --tenant ID, or --operator for all tenants.');
    }
    const both = read !== true && ingest !== true;
    const keys = await keysOf(options);
    const first = !keys.exist();
    const { key, record } = await keys.create({
      tenantId: tenant,
      read: both || read === true,
      ingest: both || ingest === true,
      name,
      expiresAt: expires,
    });
    terminal.line(options.json ? jsonLine({ key, ...record }) : key);
    terminal.note(`A key of ${owner(record)} to ${rights(record)}. It is shown this once: keep it now.`);
    if (first) terminal.note('It is the first one here: from now on the server lets nobody in without a key.');
  });
}

function listCommand(terminal: Terminal): Command {
  const command = new Command('list').description(
    'List keys: whose they are and what they may, never the keys themselves.',
  );
  addDirectoryOptions(command);
  addExamples(command, 'cogniverse keys list');
  return command.action(async (options: DirectoryOptions) => {
    const keys = await keysOf(options);
    const records = keys.list();
    if (options.json) {
      for (const record of records) terminal.line(jsonLine(record));
      return;
    }
    if (records.length === 0) {
      terminal.note(
        `There are no keys in ${resolve(options.data ?? defaultData())}: whoever reaches the server gets in.`,
      );
      return;
    }
    const rows = records.map((record) => [
      record.id,
      safe(record.tenantId ?? '-'),
      rights(record),
      safe(record.name),
      record.createdAt.slice(0, 10),
      record.revokedAt === undefined
        ? record.expiresAt === undefined
          ? 'valid'
          : `${keys.isUsable(record) ? 'valid until' : 'expired'} ${record.expiresAt.slice(0, 16)}Z`
        : `revoked ${record.revokedAt.slice(0, 10)}`,
    ]);
    const columns = ['ID', 'TENANT', 'MAY', 'NAME', 'MADE (UTC)', 'STATE'].map((title) => ({ title }));
    terminal.line(table(terminal, columns, rows));
  });
}

function revokeCommand(terminal: Terminal): Command {
  const command = new Command('revoke')
    .description('End a key: from the next request on it opens nothing.')
    .argument('<id>', 'its id, as `keys list` shows it');
  addDirectoryOptions(command);
  addExamples(command, 'cogniverse keys revoke 3f2a9c51d0e4');
  return command.action(async (id: string, options: DirectoryOptions) => {
    // A key in full names its id too: better it is not passed around more than needed.
    const record = await (await keysOf(options)).revoke(/^cgv_([0-9a-f]{12})_/.exec(id)?.[1] ?? id);
    if (record === undefined) {
      const directory = resolve(options.data ?? defaultData());
      const problem = existsSync(directory) ? `no key "${safe(id.slice(0, 20))}" in` : 'no data directory';
      throw new CliError(`There is ${problem} ${directory}. See all with: cogniverse keys list`);
    }
    if (options.json) terminal.line(jsonLine(record));
    else terminal.line(`Revoked ${record.id}, a key of ${owner(record)}.`);
  });
}

export function keysCommand(terminal: Terminal): Command {
  const command = new Command('keys').description('Make, list and revoke the keys that open the server.');
  for (const create of [createCommand, listCommand, revokeCommand]) command.addCommand(create(terminal));
  addExamples(command, 'cogniverse keys create --tenant acme', 'cogniverse keys list --json');
  return command;
}
