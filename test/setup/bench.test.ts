/** `npm run bench`: what it says without running anything. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const path = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));

function bench(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [path('scripts/bench.mjs'), ...args], {
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

it.each(['delivered', 'span', 'pipeline', 'modality-metrics', 'store', 'server'])(
  '%s --help names every option that the benchmark reads',
  (name) => {
    const { status, stdout, stderr } = bench(name, '--help');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toContain(`npm run bench -- ${name} `);
    const declared = [...readFileSync(path(`bench/${name}/run.mjs`), 'utf8').matchAll(/'?([a-z-]+)'?: \{ type: '/g)];
    expect(declared.length).toBeGreaterThan(0);
    for (const [, option] of declared) expect(stdout).toContain(`--${option}`);
  },
);

it('lists the benchmarks; refuses one that is not there, and an option that one does not have', () => {
  expect(bench('--help')).toMatchObject({ status: 0, stdout: expect.stringContaining('delivered'), stderr: '' });
  expect(bench('nonsense')).toMatchObject({ status: 2, stdout: '', stderr: expect.stringContaining('"nonsense"') });
  const wrong = bench('server', '--secnds', '5');
  expect(wrong).toMatchObject({ status: 2, stdout: '' });
  expect(wrong.stderr).toContain('"server" has no option --secnds.');
  expect(wrong.stderr).toContain('--seconds N');
});
