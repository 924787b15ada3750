/** Every route that a server registers, whoever added it: the framework tells of each. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { FastifyInstance } from 'fastify';

export interface RegisteredRoute {
  readonly method: string;
  /** With its parameters' names, for example `/v1/projects/:project`. */
  readonly url: string;
  /** What it says that it needs; undefined where the default for its method holds. */
  readonly access: string | undefined;
}

/** Runs `start` and gives, beside its result, the routes of each application that was made meanwhile, in the order of their making. */
export async function withRoutes<T>(
  start: () => Promise<T>,
): Promise<{ started: T; applications: RegisteredRoute[][] }> {
  const applications: RegisteredRoute[][] = [];
  const onInitialization = (message: unknown) => {
    const routes: RegisteredRoute[] = [];
    applications.push(routes);
    (message as { fastify: FastifyInstance }).fastify.addHook('onRoute', ({ method, url, config }) => {
      for (const one of [method].flat()) routes.push({ method: one, url, access: config?.access });
    });
  };
  subscribe('fastify.initialization', onInitialization);
  try {
    return { started: await start(), applications };
  } finally {
    unsubscribe('fastify.initialization', onInitialization);
  }
}
