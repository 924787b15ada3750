/** `npm test`. */
import { spawnSync } from 'node:child_process';

const run = (command, args) => spawnSync(command, args, { stdio: 'inherit' }).status ?? 1;
process.exitCode = run('npx', ['tsc', '-b']) || run('npx', ['vitest', 'run']);
