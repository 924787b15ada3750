/** What the documentation takes from the code is as the code has it. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { command } from '../e2e/serve.js';
import { root } from './code-blocks.js';

function partsOf(page: string): string[] {
  const text = readFileSync(join(root, page), 'utf8');
  return [...text.matchAll(/^<!-- generated: ([\w -]+) \(npm run docs\) -->$/gm)].map(([, part]) => part!);
}

it('the generated parts of docs/ are current', () => {
  const script = join(root, 'scripts/generate-docs.mjs');
  const { status, stderr } = spawnSync(process.execPath, [script, '--check'], { encoding: 'utf8' });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
});

it('the configuration has its table, and the options and metrics of the store have theirs', () => {
  expect(partsOf('docs/configuration.md')).toEqual(['configuration']);
  expect(partsOf('docs/server.md')).toEqual(['log events', 'server limits', 'store options']);
  expect(partsOf('docs/operations.md')).toEqual(['server metrics', 'store metrics']);
});

it('every command has its help in docs/command-line.md, in the order of the program', () => {
  const { stdout } = spawnSync(process.execPath, [command, '--help'], { encoding: 'utf8' });
  const commands = [...stdout.matchAll(/^ {2}([a-z][\w-]*) (?:\[options\]|<)/gm)].map(([, name]) => `help ${name}`);
  expect(commands).toContain('help serve');
  expect(partsOf('docs/command-line.md')).toEqual(['help', ...commands]);
});
