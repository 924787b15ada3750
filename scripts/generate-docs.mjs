/**
 * Writes what is generated in `docs/` between its markers: options from their schemas, help from the command line; and `docs/openapi.json`.
 *
 * `--check`: changes nothing, exits 1 if something is out of date. Names of parts: `configuration`, `store options`, `store metrics`, `server metrics`, `server limits`, `log events`,
 * `provider capabilities`, `help`, `help <command>`.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { flagOf, SECTIONS, variableOf } from '../libs/cli/dist/tuning-options.js';
import {
  alignedTable,
  configurationTable,
  optionTable,
} from '../libs/foundation/dist/telemetry/configuration-table.js';
import { CAPABILITIES } from '../libs/foundation/dist/telemetry/testing/provider-contract/capabilities.js';
import { openApiDocument } from '../libs/server/dist/rest/cogniverse/openapi.js';
import { LOG_EVENTS } from '../libs/server/dist/server-log.js';
import { SERVER_METRICS } from '../libs/server/dist/server-metrics.js';
import { describeStoreFigure, STORE_FIGURES } from '../libs/server/dist/store-figures.js';
import { ownVersion } from '../libs/server/dist/version.js';

const docs = fileURLToPath(new URL('../docs/', import.meta.url));
const cogniverse = fileURLToPath(new URL('../libs/cli/dist/main.js', import.meta.url));
const PART = /(<!-- generated: ([\w -]+) \(npm run docs\) -->\n)[\s\S]*?(\n<!-- end of generated -->)/g;

/** What a user reads who has set nothing, in a pipe: eighty columns, no colours. */
function helpOf(command) {
  const help = execFileSync(process.execPath, [cogniverse, ...command, '--help'], {
    encoding: 'utf8',
    env: { NO_COLOR: '1' },
  });
  return `\`\`\`text\n${help.trim()}\n\`\`\`\n`;
}

/** Options of one section of the configuration file of `serve`, with their other two spellings. */
function tuning(section) {
  const columns = [
    'option',
    { title: 'command line', of: (name) => `\`${flagOf(name)}\`` },
    { title: 'environment', of: (name) => `\`${variableOf(name)}\`` },
    'type',
    'default',
    'unit',
    'meaning',
  ];
  return optionTable(SECTIONS[section].schema, columns).concat('').join('\n');
}

function serverMetrics() {
  const rows = Object.entries(SERVER_METRICS).map(([name, { type, unit, labels, meaning, action }]) => [
    `\`${name}\``,
    type,
    unit,
    labels.map((label) => `\`${label}\``).join(', '),
    meaning,
    action,
  ]);
  return alignedTable([['metric', 'type', 'unit', 'labels', 'meaning', 'what to do'], ...rows])
    .concat('')
    .join('\n');
}

function logEvents() {
  const rows = Object.entries(LOG_EVENTS).map(([name, { level, meaning, fields }]) => [
    `\`${name}\``,
    level,
    meaning,
    fields.replace(/\w+/g, '`$&`'),
  ]);
  return alignedTable([['event', 'level', 'meaning', 'fields'], ...rows])
    .concat('')
    .join('\n');
}

function storeMetrics() {
  const rows = Object.entries(STORE_FIGURES).map(([name, { meaning, action }]) => [
    `\`cogniverse_store_${name}\``,
    describeStoreFigure(name).type,
    meaning,
    action,
  ]);
  return alignedTable([['metric', 'type', 'meaning', 'what to do'], ...rows])
    .concat('')
    .join('\n');
}

function providerCapabilities() {
  const rows = Object.entries(CAPABILITIES).map(([name, { behaviour }]) => [`\`${name}\``, behaviour]);
  return alignedTable([['what may be lacking', 'what the provider then does'], ...rows])
    .concat('')
    .join('\n');
}

function generate(part) {
  const [what, ...rest] = part.split(' ');
  if (what === 'help') return helpOf(rest);
  if (part === 'configuration') return configurationTable();
  if (part === 'store options') return tuning('store');
  if (part === 'server metrics') return serverMetrics();
  if (part === 'server limits') return tuning('limits');
  if (part === 'log events') return logEvents();
  if (part === 'store metrics') return storeMetrics();
  if (part === 'provider capabilities') return providerCapabilities();
  throw new Error(`Nothing is known to generate as "${part}".`);
}

/** Writes a page, or says under `--check` that it is out of date. */
function put(name, after) {
  const file = join(docs, name);
  if (existsSync(file) && readFileSync(file, 'utf8') === after) return;
  if (process.argv.includes('--check')) {
    console.error(`docs/${name} is out of date: run "npm run docs".`);
    process.exitCode = 1;
  } else writeFileSync(file, after);
}

for (const name of readdirSync(docs).filter((entry) => entry.endsWith('.md'))) {
  const before = readFileSync(join(docs, name), 'utf8');
  put(
    name,
    before.replace(PART, (_all, begin, part, end) => `${begin}\n${generate(part)}${end}`),
  );
}
put('openapi.json', `${JSON.stringify(openApiDocument(ownVersion()), null, 1)}\n`);
