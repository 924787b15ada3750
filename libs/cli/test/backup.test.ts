/** `cogniverse backup` of a running server, and `cogniverse restore`. */
import { appendFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { cogniverse, FREE_PORTS, inProcess, send, serve, temporaryDirectory } from './command-line.js';

it('backs up a running server, and restores what it held then; a damaged back-up and a directory in use are refused', async () => {
  const work = temporaryDirectory();
  const at = (name: string) => join(work.path, name);
  const serving = await serve(['--data', at('data'), ...FREE_PORTS]);
  const endpoint = ['--endpoint', serving.addresses.http];
  const span = { tenant: 'acme', name: 'one', start: 0, duration: 5 };
  const base = new Date('2026-03-01T12:00:00Z');
  try {
    await send(serving.addresses.otlpHttp, base, [{ ...span, traceId: '1'.repeat(32), spanId: '1'.repeat(16) }]);
    const backup = await cogniverse(['backup', 'copy', ...endpoint], { cwd: work.path });
    expect([backup.code, backup.stderr]).toEqual([0, '']);
    expect(backup.stdout).toMatch(/^\d+ files with [\d,]+ bytes in .*copy\n$/);
    await send(serving.addresses.otlpHttp, base, [{ ...span, traceId: '2'.repeat(32), spanId: '2'.repeat(16) }]);
    const again = await inProcess(['backup', at('copy'), ...endpoint]);
    expect([again.code, again.stderr]).toEqual([1, expect.stringContaining('must be empty')]);
  } finally {
    await serving.stop();
  }
  const restored = await inProcess(['restore', at('copy'), '--data', at('restored')]);
  expect([restored.code, restored.stdout]).toEqual([0, expect.stringContaining(`restored into ${at('restored')}`)]);
  const projects = await inProcess(['projects', '--data', at('restored'), '--json']);
  expect(JSON.parse(projects.stdout)).toMatchObject({ tenantId: 'acme', spanCount: 1 });

  const inUse = await inProcess(['restore', at('copy'), '--data', at('data')]);
  expect([inUse.code, inUse.stderr]).toEqual([1, expect.stringContaining('is not empty')]);
  const file = readdirSync(at('copy'), { recursive: true, encoding: 'utf8' }).find((name) => name.endsWith('.duckdb'))!;
  appendFileSync(join(at('copy'), file), 'x');
  const damaged = await inProcess(['restore', at('copy'), '--data', at('never')]);
  expect([damaged.code, damaged.stderr]).toEqual([1, expect.stringContaining(file)]);
  expect(readdirSync(work.path)).not.toContain('never');
  const missing = await inProcess(['restore', at('copy')]);
  expect([missing.code, missing.stderr]).toEqual([2, expect.stringContaining('--data')]);
  work.remove();
});
