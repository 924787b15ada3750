/** Every route of an application asks for access before it runs.   HTTP: guard -> [register-access] -> routes. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Access, RouteAccess } from './access.js';
import type { Authenticator } from './authenticator.js';

export function registerAccess(app: FastifyInstance, authenticator: Authenticator): void {
  app.decorateRequest('access', null as unknown as Access); // set by the hook, before anything reads it
  app.addHook('onRequest', async (request) => {
    request.access = authenticator.check(request.headers.authorization, accessOf(request));
  });
}

function accessOf({ method, routeOptions }: FastifyRequest): RouteAccess {
  return routeOptions.config.access ?? (method === 'GET' || method === 'HEAD' ? 'read' : 'change');
}
