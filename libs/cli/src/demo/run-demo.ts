/** One round of the demo: the application in a process of its own, and what can be read back of it.   Control path: command -> [run-demo] -> application, store. */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { openRemoteStore } from '@cogniverse/foundation/client';
import type { ApplicationResult } from '#document-search/application-result.js';
import { createReport, type Report } from '#document-search/report.js';
import { CliError } from '../cli-error.js';

export interface DemoTarget {
  /** Base URL of a server with our read API; undefined where only OTLP is taken. */
  readonly endpoint: string | undefined;
  /** Full URL for OTLP over HTTP. */
  readonly otlpHttp: string;
  readonly apiKey: string | undefined;
  readonly plainHttp: boolean | undefined;
  readonly runId: string;
}

const TIMEOUT_MILLIS = 5000;

/**
 * Finds out what takes spans at `endpoint`: our server, whose read API has the rest of the demo, or anything else that speaks OTLP over HTTP.
 *
 * Errors: `CliError` if nothing answers, or if the key may not do what the demo does.
 */
export async function findTarget(
  endpoint: string,
  access: { readonly apiKey: string | undefined; readonly plainHttp: boolean | undefined },
): Promise<DemoTarget> {
  const base = endpoint.replace(/\/v1\/traces$/, '');
  // For the operator alone, as the demo is: it has several tenants.
  const answer = await fetch(`${base}/v1/cogniverse/figures`, {
    headers: !access.apiKey ? {} : { authorization: `Bearer ${access.apiKey}` },
    redirect: 'manual',
    signal: AbortSignal.timeout(TIMEOUT_MILLIS),
  }).catch((error: Error & { cause?: Error & { code?: string } }) => {
    throw new CliError(
      `Nothing answers at ${base} (${error.cause?.code ?? error.cause?.message ?? error.message}). ` +
        'Start a server with "cogniverse serve", or name one with --endpoint.',
      { cause: error },
    );
  });
  const body = (await answer.text()).slice(0, 200);
  if (answer.status === 401 || answer.status === 403) {
    throw new CliError(
      `${base} refuses the demo (${answer.status}): ${body}. It has several tenants: give the key of an operator in COGNIVERSE_API_KEY.`,
    );
  }
  return { endpoint: answer.ok ? base : undefined, otlpHttp: `${base}/v1/traces`, runId: randomUUID(), ...access };
}

export interface DemoRound {
  readonly result: ApplicationResult;
  /** What was stored, counted from this process; undefined where it cannot be read back. */
  readonly report: Report | undefined;
}

/** Errors: `CliError` if the application does not come to its end; its own words are on standard error. */
export async function runRound(target: DemoTarget, signal: AbortSignal): Promise<DemoRound> {
  const result = await runApplication(target, signal);
  if (target.endpoint === undefined) return { result, report: undefined };
  const { endpoint, apiKey, plainHttp } = target;
  const store = openRemoteStore({ endpoint, apiKey, plainHttp });
  try {
    return { result, report: await createReport(store, result) };
  } finally {
    await store.shutdown();
  }
}

async function runApplication(target: DemoTarget, signal: AbortSignal): Promise<ApplicationResult> {
  const program = fileURLToPath(new URL('./run-application.js', import.meta.url));
  const child = spawn(process.execPath, ['--import', import.meta.resolve('@cogniverse/foundation/register'), program], {
    stdio: ['pipe', 'pipe', 'inherit'],
    signal,
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  child.stdin.on('error', () => undefined); // a program that ended early is told by its exit code
  child.stdin.end(JSON.stringify(target)); // not an argument: other users of the machine see those
  const [output, code] = await Promise.all([text(child.stdout), ended]);
  if (code === 0) return JSON.parse(output) as ApplicationResult;
  throw new CliError(`The demo's application ended with exit code ${code}; its messages are above.`);
}
