/**
 * What Phoenix's REST has and this server does not serve: 501 with the reason; and wrong methods: 405.   Read path: client -> [unserved].
 *
 * A client that gets 404 for these would look for its own mistake.
 */
import type { FastifyInstance, HTTPMethods } from 'fastify';

const READ_WRITE: readonly HTTPMethods[] = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];
const WRITE: readonly HTTPMethods[] = ['POST', 'PUT', 'PATCH', 'DELETE'];

/** A path that ends in `/*` stands for everything below it too. */
const UNSERVED: readonly { methods: readonly HTTPMethods[]; paths: readonly string[]; reason: string }[] = [
  {
    methods: READ_WRITE,
    paths: ['/v1/prompts', '/v1/prompts/*', '/v1/prompt_versions/*', '/v1/prompt_labels', '/v1/prompt_labels/*'],
    reason: 'This server keeps no prompts. It holds traces; keep prompts in version control or in a prompt registry.',
  },
  {
    methods: READ_WRITE,
    paths: [
      '/v1/users',
      '/v1/users/*',
      '/v1/user',
      '/v1/user/*',
      '/v1/api_keys',
      '/v1/api_keys/*',
      '/v1/system/api_keys',
      '/v1/system/api_keys/*',
    ],
    reason: 'This server has no user accounts. Its access keys are made with `cogniverse keys create`.',
  },
  { methods: READ_WRITE, paths: ['/v1/secrets', '/v1/secrets/*'], reason: 'This server keeps no secrets.' },
  {
    methods: READ_WRITE,
    paths: ['/graphql', '/graphql/*'],
    reason: 'This server has no GraphQL. Use the REST API under /v1; statistics are under /v1/cogniverse.',
  },
  {
    methods: READ_WRITE,
    paths: [
      '/playground',
      '/playground/*',
      '/v1/playground',
      '/v1/playground/*',
      '/chat/*',
      '/v1/chat/*',
      '/v1/model_providers',
      '/v1/model_providers/*',
      '/v1/custom_model_providers',
      '/v1/custom_model_providers/*',
    ],
    reason: 'This server has no playground: it never calls a model.',
  },
  {
    methods: WRITE,
    paths: ['/v1/projects/:project/traces', '/v1/traces/transfer'],
    reason: 'Stored spans and traces are not changed over this API. Send spans as OTLP to POST /v1/traces.',
  },
  {
    methods: READ_WRITE,
    paths: ['/v1/projects/:project/retention'],
    reason:
      'This server keeps no retention policies to choose from. Set how many days the spans of a project are kept with POST /v1/cogniverse/retention.',
  },
  {
    methods: READ_WRITE,
    paths: [
      '/v1/dataset_labels',
      '/v1/dataset_labels/*',
      '/v1/datasets/:dataset/labels',
      '/v1/datasets/:dataset/labels/*',
    ],
    reason: 'Labels of data sets are not served. Use the metadata of the data set.',
  },
  {
    methods: READ_WRITE,
    paths: [
      '/v1/annotation_configs',
      '/v1/annotation_configs/*',
      '/v1/projects/:project/annotation_configs',
      '/v1/projects/:project/annotation_configs/*',
    ],
    reason:
      'Annotations need no configuration here: any name, label and score is taken, so nothing is configured for the forms of a web page.',
  },
  {
    methods: READ_WRITE,
    paths: ['/v1/experiments/:experiment/tags', '/v1/experiments/:experiment/tags/*'],
    reason: 'Tags of experiments are not served. Use the metadata of the experiment.',
  },
  {
    methods: READ_WRITE,
    paths: ['/v1/evaluations'],
    reason: 'Evaluations are written as annotations, or as evaluations of the runs of an experiment.',
  },
];

/** Registers 501 for the above, and 405 for every other method of the paths that are served. Runs after all other routes. */
export function registerUnserved(
  app: FastifyInstance,
  served: readonly { path: string; methods: readonly HTTPMethods[] }[],
): void {
  for (const { methods, paths, reason } of UNSERVED) {
    for (const url of paths) {
      for (const method of methods) {
        if (app.hasRoute({ method, url })) continue;
        // Answered before the body is read: what it holds does not matter.
        app.route({
          method,
          url,
          onRequest: async (_request, reply) => reply.code(501).send({ detail: reason }),
          handler: unreachable,
        });
      }
    }
  }
  for (const { path, methods } of served) {
    const allow = methods.join(', ');
    for (const method of READ_WRITE) {
      if (methods.includes(method) || app.hasRoute({ method, url: path })) continue;
      app.route({
        method,
        url: path,
        exposeHeadRoute: false,
        onRequest: async (_request, reply) =>
          reply
            .code(405)
            .header('allow', allow)
            .send({ detail: `${path} takes ${allow} only.` }),
        handler: unreachable,
      });
    }
  }
}

function unreachable(): never {
  throw new Error('The onRequest hook answers this route.');
}
