/**
 * The one Phoenix of a test run: started when the first test asks for it, ended with the run.   vitest's global set-up.
 *
 * Test files run in processes of their own, so they ask over loopback: `sharedPhoenix()` of `phoenix.ts`. Tests that do not ask cost nothing.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestProject } from 'vitest/node';

interface Phoenix {
  readonly url: string;
  stop(): Promise<void>;
}

interface PhoenixModule {
  setUpPhoenix(): Promise<{ python: string }>;
  startPhoenix(options: { python: string }): Promise<Phoenix>;
}

/** Address of a Phoenix that runs already (`npm run phoenix`), for who works on these tests: no start to wait for. */
const RUNNING = 'COGNIVERSE_TEST_PHOENIX';

declare module 'vitest' {
  interface ProvidedContext {
    /** Who is asked for the address of the run's Phoenix. */
    phoenixStarter: string;
  }
}

export default async function shareOnePhoenix(project: TestProject): Promise<() => Promise<void>> {
  let started: Promise<{ python: string; phoenix: Phoenix }> | undefined;
  const starter = createServer((_request, response) => {
    started ??= start();
    started.then(
      ({ python, phoenix }) => response.end(JSON.stringify({ python, url: phoenix.url })),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  starter.requestTimeout = 0;
  await new Promise<void>((listening) => starter.listen(0, '127.0.0.1', listening));
  project.provide('phoenixStarter', `http://127.0.0.1:${(starter.address() as AddressInfo).port}`);
  return async () => {
    starter.close();
    starter.closeAllConnections();
    // A start that failed has told the tests that asked for it.
    const running = await started?.catch(() => undefined);
    await running?.phoenix.stop();
  };
}

async function start(): Promise<{ python: string; phoenix: Phoenix }> {
  const module = (await import(new URL('../../scripts/phoenix.mjs', import.meta.url).href)) as PhoenixModule;
  const { python } = await module.setUpPhoenix();
  const url = process.env[RUNNING];
  const phoenix = url === undefined ? await module.startPhoenix({ python }) : { url, stop: async () => undefined };
  return { python, phoenix };
}
