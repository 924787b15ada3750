/**
 * The paths of the main port beside OTLP.   Read path: client -> [register-rest] -> routes -> store.
 */
import type { TelemetryStore } from '@cogniverse/foundation/telemetry';
import type { FastifyInstance, HTTPMethods } from 'fastify';
import type { Authenticator } from '../auth/authenticator.js';
import { PHOENIX_VERSION } from '../http-listener.js';
import type { IngestService } from '../receivers/ingest-service.js';
import type { ServerLedger } from '../server-ledger.js';
import type { ServerMetrics } from '../server-metrics.js';
import { ANNOTATION_PATHS, registerAnnotations } from './annotations.js';
import { registerCogniverseRoutes } from './cogniverse/routes.js';
import { registerCreateSpans } from './create-spans.js';
import { registerSpanQueries } from './dataframe/query-spans.js';
import { DATASET_PATHS, registerDatasets } from './datasets.js';
import { registerDeletions } from './deletions.js';
import { EXPERIMENT_PATHS, registerExperiments } from './experiments.js';
import { registerProjects } from './projects.js';
import { registerSessions, SESSION_PATHS } from './sessions.js';
import { registerSpans } from './spans.js';
import { registerTraces } from './traces.js';
import { registerUnserved } from './unserved.js';

export interface RestContext {
  readonly store: TelemetryStore;
  readonly ledger: ServerLedger;
  readonly metrics: ServerMetrics;
  readonly service: IngestService;
  readonly authenticator: Authenticator;
}

/** Largest body of examples and runs, in bytes. */
const EXAMPLES_BODY_LIMIT = 64 * 1024 * 1024;

/** Paths that are served, for the answer to other methods. */
const SERVED: readonly { path: string; methods: readonly HTTPMethods[] }[] = [
  ...['/healthz', '/readyz', '/arize_phoenix_version', '/metrics', '/v1/projects/:project/spans/otlpv1'].map(
    (path) => ({ path, methods: ['GET', 'HEAD'] as const }),
  ),
  { path: '/v1/projects/:project/spans', methods: ['GET', 'HEAD', 'POST'] },
  { path: '/v1/projects/:project', methods: ['GET', 'HEAD', 'PUT', 'DELETE'] },
  { path: '/v1/projects/:project/traces', methods: ['GET', 'HEAD', 'DELETE'] },
  { path: '/v1/spans/:span', methods: ['DELETE'] },
  { path: '/v1/traces/:trace', methods: ['DELETE'] },
  { path: '/v1/traces', methods: ['POST'] },
  { path: '/v1/spans', methods: ['POST'] },
  { path: '/v1/projects', methods: ['GET', 'HEAD', 'POST'] },
  ...ANNOTATION_PATHS,
  ...SESSION_PATHS,
  ...DATASET_PATHS,
  ...EXPERIMENT_PATHS,
];

export async function registerRest(app: FastifyInstance, context: RestContext): Promise<void> {
  const { store, ledger, metrics, service, authenticator } = context;
  app.get('/healthz', { config: { access: 'open' } }, async (_request, reply) =>
    reply.type('text/plain; charset=utf-8').send('OK'),
  );
  app.get('/readyz', { config: { access: 'open' } }, async (_request, reply) => {
    const { ready, reason } = store.health();
    if (ready) return reply.send({});
    return reply.code(503).header('retry-after', '1').send({ detail: reason });
  });
  app.get('/arize_phoenix_version', async (_request, reply) =>
    reply.type('text/plain; charset=utf-8').send(PHOENIX_VERSION),
  );
  app.get('/metrics', { config: { access: 'observe' } }, async (_request, reply) =>
    reply
      .type('text/plain; version=0.0.4; charset=utf-8')
      .send(await metrics.render({ store, ledger, gate: service.gate, refused: authenticator.refused })),
  );
  registerProjects(app, store);
  registerSpans(app, store);
  registerTraces(app, store);
  registerSpanQueries(app, store);
  registerCreateSpans(app, store, service);
  registerDeletions(app, store);
  registerDatasets(app, store, EXAMPLES_BODY_LIMIT);
  registerExperiments(app, store, EXAMPLES_BODY_LIMIT);
  registerSessions(app, store);
  registerAnnotations(app, store);
  registerCogniverseRoutes(app, {
    store,
    onError: (error) => metrics.reportError('http', error),
    onTenantDeleted: (tenantId) => authenticator.forgetTenant(tenantId),
  });
  registerUnserved(app, SERVED);
}
