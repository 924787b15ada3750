/** Help, wrong usage, exit codes, colours: what holds for every command. */
import { InvalidArgumentError } from 'commander';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { wantsColors } from '../dist/format/terminal.js';
import { duration, fit, safe } from '../dist/format/text.js';
import { parseFilter, parseSince } from '../dist/options.js';
import { cogniverse, inProcess } from './command-line.js';

const COMMANDS = [
  'serve',
  'demo',
  'projects',
  'spans',
  'trace',
  'sessions',
  'stats',
  'tail',
  'keys',
  'export',
  'import',
  'import-phoenix',
  'backup',
  'restore',
  'delete-tenant',
  'doctor',
];
const NESTED = ['keys create', 'keys list', 'keys revoke'];

describe('usage', () => {
  it('shows every command without arguments', async () => {
    const { code, stdout, stderr } = await cogniverse([]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    for (const command of COMMANDS) expect(stdout).toMatch(new RegExp(`^  ${command}\\b`, 'm'));
  });

  it.each([...COMMANDS, ...NESTED])('%s --help has an example and exits with 0', async (command) => {
    const { code, stdout, stderr } = await inProcess([...command.split(' '), '--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain(`Usage: cogniverse ${command} `);
    expect(stdout).toMatch(new RegExp(`Example:\\n  \\$ cogniverse ${command}`));
    expect(stdout).toContain('--json');
  });

  it.each([
    'projects',
    'spans',
    'trace',
    'sessions',
    'stats',
    'tail',
    'export',
    'import',
    'import-phoenix',
    'backup',
    'delete-tenant',
  ])('%s --help tells how a key is given', async (command) => {
    const { stdout } = await inProcess([command, '--help']);
    expect(stdout).toMatch(/--api-key <key>[^-]+\(env:\s+COGNIVERSE_API_KEY\)/);
  });

  it.each([
    [['nonsense']],
    [['spans', '--nonsense']],
    [['spans', '--limit', '0']],
    [['spans', '--since', 'yesterday']],
    [['spans', '--filter', '=5']],
    [['spans', '--filter', '']],
    [['spans', '--filter', 'a>']],
    [['spans', '--status', 'bad']],
    [['spans', '--endpoint', 'not a url']],
    [['spans', '--endpoint', 'http://127.0.0.1:1', '--data', '.']],
    [['trace']],
    [['trace', 'xyz']],
    [['serve', '--port', '70000']],
    [['serve', 'extra']],
    [['keys', 'nonsense']],
    [['keys', 'create']],
    [['keys', 'create', '--tenant', 'a', '--operator']],
    [['keys', 'create', '--tenant', 'a', '--expires', '2020-01-01']],
    [['keys', 'revoke']],
  ])('%j is wrong usage: exit code 2, nothing on standard output, a word on where to look', async (args) => {
    const { code, stdout, stderr } = await inProcess(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^error: /);
    expect(stderr).toContain('--help');
  });

  it.each([
    ['a>', 'after >'],
    ['a<=', 'after <='],
    ['a~', 'after ~'],
    ['', 'key=value'],
    ['=x', 'key=value'],
  ])('names the condition --filter %j that it cannot read', async (condition, message) => {
    const { stderr } = await inProcess(['spans', '--filter', condition]);
    expect(stderr).toContain(`'--filter <condition>' argument '${condition}' is invalid`);
    expect(stderr).toContain(message);
  });

  describe('COGNIVERSE_ENDPOINT that is no URL', () => {
    afterEach(() => vi.unstubAllEnvs());
    it.each(['projects', 'spans', 'stats', 'tail'])('is wrong usage of %s, which names it', async (command) => {
      vi.stubEnv('COGNIVERSE_ENDPOINT', 'abc');
      const { code, stdout, stderr } = await inProcess([command]);
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      expect(stderr).toMatch(/^error: COGNIVERSE_ENDPOINT is "abc"\. Give a URL.* --endpoint/);
      expect(stderr).toContain('--help');
    });
  });

  it('gives the exit code to the shell, and keeps colours out of a pipe', async () => {
    const wrong = await cogniverse(['spans', '--limit', '0'], { env: { CI: 'true' } });
    expect({ code: wrong.code, stdout: wrong.stdout }).toEqual({ code: 2, stdout: '' });
    const failed = await cogniverse(['projects', '--endpoint', 'http://127.0.0.1:9']);
    expect({ code: failed.code, stdout: failed.stdout }).toEqual({ code: 1, stdout: '' });
    expect(failed.stderr).toMatch(/^error: /);
    expect(failed.stderr).toContain('cogniverse serve');
  });

  it('understands ages and times', () => {
    const now = Date.parse('2026-01-31T12:00:00Z');
    const at = (text: string) => parseSince(text, now).toISOString();
    expect(at('90s')).toBe('2026-01-31T11:58:30.000Z');
    expect(at('1h')).toBe('2026-01-31T11:00:00.000Z');
    expect(at('1.5d')).toBe('2026-01-30T00:00:00.000Z');
    expect(at('2026-01-01')).toBe('2026-01-01T00:00:00.000Z');
    for (const bad of ['', '1', 'h', '-1h', '5 minutes', '99999999999w', '2026-13-01']) {
      expect(() => at(bad), bad).toThrow(InvalidArgumentError);
    }
  });

  it('understands conditions', () => {
    const condition = (text: string) => parseFilter(text)[0];
    expect(condition('top_k=5')).toEqual({ key: 'top_k', operator: 'eq', value: 5 });
    expect(condition('top_k="5"')).toEqual({ key: 'top_k', operator: 'eq', value: '5' });
    expect(condition('latency_ms >= 1.5e3')).toEqual({ key: 'latency_ms', operator: 'gte', value: 1500 });
    expect(condition('a!=b=c')).toEqual({ key: 'a', operator: 'ne', value: 'b=c' });
    expect(condition('cached=true')).toEqual({ key: 'cached', operator: 'eq', value: true });
    expect(condition('query~and <so>')).toEqual({ key: 'query', operator: 'contains', value: 'and <so>' });
    expect(condition('a=')).toEqual({ key: 'a', operator: 'eq', value: '' });
    expect(condition('input.value')).toEqual({ key: 'input.value', operator: 'exists' });
    expect(parseFilter('b<2', parseFilter('a>1'))).toHaveLength(2);
    for (const bad of ['', '=1', 'two words']) expect(() => condition(bad), bad).toThrow(InvalidArgumentError);
  });

  it('colours on a terminal only, and as NO_COLOR and FORCE_COLOR say', () => {
    expect(wantsColors({}, true)).toBe(true);
    expect(wantsColors({}, false)).toBe(false);
    expect(wantsColors({ CI: 'true' }, false)).toBe(false);
    expect(wantsColors({ NO_COLOR: '1', FORCE_COLOR: '1' }, true)).toBe(false);
    expect(wantsColors({ NO_COLOR: '' }, true)).toBe(true);
    expect(wantsColors({ FORCE_COLOR: '1' }, false)).toBe(true);
    expect(wantsColors({ TERM: 'dumb' }, true)).toBe(false);
  });

  it('writes values for people', () => {
    expect([0, 0.82, 12.34, 250, 4560, 125_000].map(duration)).toEqual([
      '0 µs',
      '820 µs',
      '12.3 ms',
      '250 ms',
      '4.56 s',
      '2 min 5 s',
    ]);
    expect(safe('a\n\u001b]0;x\u0007\u202eb\u0085')).toBe('a\\u000a\\u001b]0;x\\u0007\\u202eb\\u0085');
    expect(fit('äöüß', 3)).toBe('äö…');
    expect(fit('äöü', 3)).toBe('äöü');
  });
});
