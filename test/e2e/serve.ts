/** `cogniverse serve` as a child process, as a user starts it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';

const root = resolve(import.meta.dirname, '../..');
export const command = join(root, 'libs/cli/dist/cogniverse.cjs');

export interface Served {
  readonly http: string;
  readonly otlpHttp: string;
  readonly otlpGrpc: string;
  readonly pid: number;
  readonly process: ChildProcess;
  /** Settles with the exit code, or the signal that ended it. */
  readonly exited: Promise<number | string>;
  /** What it wrote to standard error so far. */
  log(): string;
  stop(): Promise<number | string>;
}

/** Starts it on any free ports and waits for its first line. Rejects with its standard error if it ends before. */
export async function serve(
  data: string,
  options: { args?: readonly string[]; env?: Record<string, string> } = {},
): Promise<Served> {
  const child = spawn(
    process.execPath,
    [
      command,
      'serve',
      '--data',
      data,
      '--port',
      '0',
      '--otlp-port',
      '0',
      '--grpc-port',
      '0',
      '--json',
      ...(options.args ?? []),
    ],
    { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...options.env } },
  );
  // A test that fails half-way leaves no server behind.
  const end = () => child.kill('SIGKILL');
  process.once('exit', end);
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    log += chunk;
  });
  const exited = once(child, 'exit').then(([code, signal]) => {
    process.removeListener('exit', end);
    return (signal ?? code) as number | string;
  });
  const first = once(createInterface({ input: child.stdout }), 'line').then(([line]) => String(line));
  const line = await Promise.race([
    first,
    exited.then((code) => {
      throw new Error(`cogniverse serve ended with ${code} before it was ready: ${log}`);
    }),
  ]);
  const addresses = JSON.parse(line) as { http: string; otlpHttp: string; otlpGrpc: string; pid: number };
  return {
    ...addresses,
    process: child,
    exited,
    log: () => log,
    stop: () => {
      child.kill('SIGTERM');
      return exited;
    },
  };
}
