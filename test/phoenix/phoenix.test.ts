/** The Phoenix that tests compare with: what it is, and that it leaves nothing behind. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { beforeAll, describe, expect, it } from 'vitest';
import { PHOENIX_START_MILLIS, phoenixCanRun, type SharedPhoenix, SKIPPED, sharedPhoenix } from './phoenix.js';

const SCRIPT = new URL('../../scripts/phoenix.mjs', import.meta.url).href;

describe.skipIf(!phoenixCanRun)(`a real Phoenix ${SKIPPED}`, () => {
  let phoenix: SharedPhoenix;
  beforeAll(async () => {
    phoenix = await sharedPhoenix();
  }, PHOENIX_START_MILLIS);

  it('is the version that this project speaks, and one for all test files', async () => {
    expect(await (await fetch(`${phoenix.url}/arize_phoenix_version`)).text()).toBe('20.26.1');
    expect((await fetch(`${phoenix.url}/readyz`)).status).toBe(200);
    expect(await sharedPhoenix()).toEqual(phoenix);
  });

  it('ends when the process that started it is killed', async () => {
    const parent = spawn(
      process.execPath,
      [
        '--input-type=module',
        '--eval',
        `import { spawnServer } from ${JSON.stringify(SCRIPT)};
         console.log(spawnServer({ python: ${JSON.stringify(phoenix.python)}, grpcPort: 0 }).pid);
         setInterval(() => {}, 1000);`,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const [pid] = (await once(createInterface({ input: parent.stdout }), 'line')) as [string];
    process.kill(Number(pid), 0);
    parent.kill('SIGKILL');
    await expect.poll(() => isRunning(Number(pid))).toBe(false);
  });
});

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false; // no such process
  }
}
