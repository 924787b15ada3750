/** Starts `server-process.mjs` and asks how much memory it takes. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Memory {
  /** Resident bytes, now and at their highest since the last question. */
  readonly now: number;
  readonly peak: number;
  readonly cpu: NodeJS.CpuUsage;
  /** Longest time that the event loop was late since the last question. */
  readonly lagMillis: number;
}

export interface ServerProcess {
  readonly addresses: { http: string; otlpHttp: string; otlpGrpc: string };
  memory(): Promise<Memory>;
  stop(): Promise<{ code: number | null; stderr: string }>;
}

export async function startServerProcess(execArgv: string[] = []): Promise<ServerProcess> {
  const directory = mkdtempSync(join(tmpdir(), 'cogniverse-process-'));
  const child = fork(fileURLToPath(new URL('./server-process.mjs', import.meta.url)), [join(directory, 'data')], {
    execArgv: ['--expose-gc', ...execArgv],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let stderr = '';
  child.stderr!.on('data', (chunk) => {
    stderr += chunk;
  });
  const ended = once(child, 'exit').then(([code]) => code as number | null);
  const started = await Promise.race([once(child, 'message'), ended]);
  if (!Array.isArray(started)) throw new Error(`The server ended with ${started}: ${stderr}`);
  return {
    addresses: started[0],
    async memory() {
      child.send('memory');
      const [memory] = await once(child, 'message');
      return memory;
    },
    async stop() {
      if (child.connected) child.send('stop');
      const code = await ended;
      rmSync(directory, { recursive: true, force: true });
      return { code, stderr };
    },
  };
}
