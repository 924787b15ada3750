/** What the same test runs against: a real Phoenix, and this project's server. */
import { startTestServer } from '../../libs/server/test/running-server.js';
import { sharedPhoenix } from './phoenix.js';

export type TargetName = 'Phoenix' | 'this server';
export const TARGETS: readonly TargetName[] = ['Phoenix', 'this server'];

export interface Target {
  readonly url: string;
  /** A Python that has Phoenix's own client. */
  readonly python: string;
  stop(): Promise<void>;
}

export async function startTarget(name: TargetName): Promise<Target> {
  const { url, python } = await sharedPhoenix();
  if (name === 'Phoenix') return { url, python, stop: async () => undefined };
  const server = await startTestServer();
  return { url: server.url, python, stop: () => server.stop() };
}
