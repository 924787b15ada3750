/**
 * `npm run test:crash [ROUNDS]`: kills a server that takes spans in with SIGKILL, as often as it is told (200 times by default), and compares what it
 * acknowledged with what it holds after each start. The tests of every run do 20 rounds of the same.
 */
import { spawnSync } from 'node:child_process';

const rounds = process.argv[2] ?? '200';
if (!/^[1-9]\d*$/.test(rounds)) {
  process.stderr.write(`usage: npm run test:crash -- ROUNDS (a whole number from 1, not ${rounds})\n`);
  process.exit(2);
}
const { status } = spawnSync(process.execPath, ['scripts/test.mjs', 'test/e2e/crash'], {
  env: { ...process.env, COGNIVERSE_CRASH_ROUNDS: rounds },
  stdio: 'inherit',
});
process.exit(status ?? 1);
