import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'cogniverse-register-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

it('warns in one line where the application has no instrumentation installed, and lets it run', async () => {
  const register = pathToFileURL(createRequire(import.meta.url).resolve('@cogniverse/foundation/register')).href;
  const program = path.join(directory, 'main.mjs');
  await writeFile(program, "console.log('ran')");
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', register, program], {
    cwd: directory,
    encoding: 'utf8',
  });
  expect({ status, stdout }).toEqual({ status: 0, stdout: 'ran\n' });
  expect(stderr).toMatch(/^\[cogniverse telemetry\] register: .*npm install @opentelemetry\/instrumentation\n$/);
});
