/** Memory is given back after work, in a process of its own: what V8 holds is the process's. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const WORK = `
import { getHeapSpaceStatistics } from 'node:v8';
const { collectWhenIdle } = await import(process.argv[1]);
const youngBytes = () => getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space').space_size;
const stop = collectWhenIdle();
let kept = [];
for (let i = 0; i < 400_000; i++) kept.push({ i });
const grown = youngBytes();
kept = [];
const deadline = Date.now() + 60_000;
const look = setInterval(() => {
  const now = youngBytes();
  if (now > grown / 2 && Date.now() < deadline) return;
  clearInterval(look);
  stop();
  console.log(JSON.stringify({ grown, now, hasGlobal: typeof globalThis.gc }));
}, 500);
`;

it('a thread that has worked and is idle gives its space for young objects back', async () => {
  const module = new URL('../dist/idle-memory.js', import.meta.url);
  const child = spawn(process.execPath, ['--input-type=module', '-e', WORK, fileURLToPath(module)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.on('data', (chunk) => {
    text += chunk;
  });
  const [code] = await once(child, 'close');
  expect(code).toBe(0);
  const { grown, now, hasGlobal } = JSON.parse(text);
  expect(grown).toBeGreaterThan(2 * 2 ** 20);
  expect(now).toBeLessThanOrEqual(grown / 2);
  expect(hasGlobal).toBe('undefined');
}, 90_000);
