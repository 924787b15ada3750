/** What is given out for running the server: a Dockerfile and a systemd unit, checked by the tools that know them. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const { lintDockerfile } = (await import(new URL('../../scripts/hadolint.mjs', import.meta.url).href)) as {
  lintDockerfile(file?: string): { ok: boolean; findings: string };
};
const { findPython } = (await import(new URL('../../scripts/phoenix.mjs', import.meta.url).href)) as {
  findPython(): unknown;
};

const directory = mkdtempSync(join(tmpdir(), 'cogniverse deploy '));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const hasHadolint = findPython() !== undefined || process.env['CI'] === 'true';

describe('the Dockerfile', () => {
  const text = readFileSync(join(root, 'deploy/docker/Dockerfile'), 'utf8');

  it.skipIf(!hasHadolint)(
    'has no finding of hadolint (skipped without Python 3.11 or newer)',
    { timeout: 120_000 },
    () => {
      expect(lintDockerfile()).toEqual({ ok: true, findings: '' });
      // The check can fail.
      writeFileSync(join(directory, 'Dockerfile'), 'FROM node\nRUN cd /x && apt-get install curl\n');
      const bad = lintDockerfile(join(directory, 'Dockerfile'));
      expect([bad.ok, bad.findings]).toEqual([false, expect.stringContaining('DL3006')]);
    },
  );

  it('runs as a user of its own, from a second stage, with a health check on a path that needs no key', () => {
    expect(text.match(/^FROM /gm)).toHaveLength(2);
    expect(text).toMatch(/^USER \d+:\d+$/m);
    expect(text).toMatch(/^HEALTHCHECK [\s\S]*\/readyz/m);
    // No secret and no address of a registry gets into the image.
    expect(text).not.toMatch(/^(?:ARG|ENV) .*(?:KEY|TOKEN|SECRET)/m);
  });

  it('starts what the repository builds', () => {
    const [, entry] = /^ENTRYPOINT \["node", "\/app\/(.+)"\]$/m.exec(text)!;
    expect(existsSync(join(root, entry!))).toBe(true);
  });
});

/** Sections of a unit with their settings, in order. */
function parseUnit(text: string): Map<string, [string, string][]> {
  const sections = new Map<string, [string, string][]>();
  let settings: [string, string][] = [];
  for (const line of text.split('\n')) {
    const [, section] = /^\[(\w+)\]$/.exec(line) ?? [];
    if (section !== undefined) {
      settings = [];
      sections.set(section, settings);
    } else if (line !== '' && !line.startsWith('#')) {
      const [, key, value] = /^([A-Za-z]+)=(.*)$/.exec(line)!;
      settings.push([key!, value!]);
    }
  }
  return sections;
}

describe('the systemd unit', () => {
  const file = join(root, 'deploy/systemd/cogniverse.service');
  const sections = parseUnit(readFileSync(file, 'utf8'));
  const hasAnalyze = spawnSync('systemd-analyze', ['--version']).status === 0;

  it('is a unit: sections, a command, a state directory that the command uses', () => {
    expect([...sections.keys()]).toEqual(['Unit', 'Service', 'Install']);
    const service = new Map(sections.get('Service'));
    expect(service.get('ExecStart')).toMatch(/^\/usr\/bin\/env cogniverse serve --data \$\{STATE_DIRECTORY\}$/);
    expect(service.get('StateDirectory')).toBe('cogniverse');
    expect([service.get('DynamicUser'), service.get('ProtectSystem'), service.get('NoNewPrivileges')]).toEqual([
      'yes',
      'strict',
      'yes',
    ]);
    // The server is given longer to stop than it takes at most.
    expect(Number(service.get('TimeoutStopSec'))).toBeGreaterThan(10);
  });

  it.skipIf(!hasAnalyze)('is one that systemd takes, and exposes little (skipped without systemd-analyze)', () => {
    const verify = spawnSync('systemd-analyze', ['verify', '--man=no', file], { encoding: 'utf8' });
    expect([verify.status, verify.stderr.split('\n').filter((line) => line.includes('cogniverse'))]).toEqual([0, []]);
    const security = spawnSync(
      'systemd-analyze',
      ['security', '--offline=true', '--threshold=20', '--no-pager', file],
      { encoding: 'utf8' },
    );
    expect([security.status, security.stdout.split('\n').at(-2)]).toEqual([0, expect.stringContaining('OK')]);
  });
});
