/**
 * The application: the search service and its users, recorded and exported over OTLP.   Write path: application -> manager -> server.
 *
 * Both ends of every request are in this process, but speak HTTP over a real socket: the trace crosses it in `traceparent`.
 */
import { createTelemetry, type Telemetry } from '@cogniverse/foundation/telemetry';
import { registerInstrumentations } from '@opentelemetry/instrumentation';
import { HttpInstrumentation } from '@opentelemetry/instrumentation-http';
import { UndiciInstrumentation } from '@opentelemetry/instrumentation-undici';
import type { ApplicationResult, TenantResult } from './application-result.js';
import { runConversations } from './client.js';
import { Collection } from './collection.js';
import { compareStrategies } from './experiment.js';
import { startHttpService } from './http-service.js';
import { passagesOf, type Speech } from './passages.js';
import { SearchService } from './search-service.js';
import { DEMO_TENANTS, type DemoTenant } from './tenants.js';
import { conversationsOf } from './traffic.js';

export interface ApplicationOptions {
  /** Base URL of the server's read API: annotations, data sets and experiments go there. Not given: what takes the spans does nothing else. */
  readonly endpoint?: string | undefined;
  /** URL for OTLP over HTTP. */
  readonly otlpHttp: string;
  /** Host and port for OTLP over gRPC. Not given: all tenants take HTTP. */
  readonly otlpGrpc?: string | undefined;
  readonly apiKey?: string | undefined;
  /** Send the key unencrypted to another machine. */
  readonly plainHttp?: boolean | undefined;
  readonly speeches: readonly Speech[];
  readonly runId: string;
  readonly tenants?: readonly DemoTenant[];
  /** Told what is going on. */
  readonly say: (text: string) => void;
}

const SERVICE_NAME = 'document-search';
const FLUSH_MILLIS = 30_000;

function startTelemetry(options: ApplicationOptions, tenants: readonly DemoTenant[]): Telemetry {
  const { endpoint, apiKey, plainHttp } = options;
  const telemetry = createTelemetry(
    {
      serviceName: SERVICE_NAME,
      environment: 'demo',
      level: 'verbose',
      otlpEndpoint: options.otlpHttp,
      ...(plainHttp === true && { otlpUseTls: false }),
      ...(apiKey !== undefined && { otlpHeaders: { authorization: `Bearer ${apiKey}` } }),
      ...(endpoint !== undefined && {
        providerConfig: {
          endpoint,
          ...(apiKey !== undefined && { api_key: apiKey }),
          ...(plainHttp === true && { plain_http: true }),
        },
      }),
      extraResourceAttributes: { 'demo.run_id': options.runId },
      // Nothing may be lost while three tenants are busy at once.
      batchConfig: { maxQueueSize: 20_000 },
    },
    {
      asGlobal: true,
      // The service listens on the loopback interface of this process and only its own users call it.
      trustRemoteContext: () => true,
    },
  );
  for (const tenant of tenants) {
    if (tenant.transport === 'grpc' && options.otlpGrpc !== undefined) {
      telemetry.registerProject({ tenantId: tenant.id, projectName: SERVICE_NAME, otlpEndpoint: options.otlpGrpc });
    }
  }
  return telemetry;
}

/** Instruments the HTTP server, and those calls of `fetch` that go to the service itself. */
function instrument(telemetry: Telemetry, isOwn: (origin: string) => boolean): () => void {
  return registerInstrumentations({
    tracerProvider: telemetry.tracerProvider,
    instrumentations: [
      new HttpInstrumentation({ disableOutgoingRequestInstrumentation: true }),
      new UndiciInstrumentation({ ignoreRequestHook: (request) => !isOwn(String(request.origin)) }),
    ],
  });
}

export async function runApplication(options: ApplicationOptions): Promise<ApplicationResult> {
  const { say, runId } = options;
  const tenants = options.tenants ?? DEMO_TENANTS;
  const startedAt = new Date().toISOString();
  const telemetry = startTelemetry(options, tenants);
  let serviceUrl = '';
  const stopInstrumentation = instrument(telemetry, (origin) => origin === serviceUrl);

  const collections = new Map<string, Collection>();
  for (const tenant of tenants) {
    const collection = new Collection(passagesOf(tenant, options.speeches));
    collections.set(tenant.id, collection);
    say(
      `Indexed ${collection.passages.length} passages of ${tenant.firstYear} to ${tenant.lastYear} for ${tenant.id}.`,
    );
  }
  const service = await startHttpService(telemetry, new SearchService(telemetry, collections));
  serviceUrl = service.url;

  const workloads = tenants.map((tenant, index) => {
    const collection = collections.get(tenant.id)!;
    const other = collections.get(tenants[(index + 1) % tenants.length]!.id)!;
    return { tenant, collection, conversations: conversationsOf(tenant, collection, other.passages[0]!.id) };
  });
  say(`${workloads.map(({ tenant }) => tenant.id).join(', ')} search at the same time ...`);
  const clients = await Promise.all(
    workloads.map((workload) => runConversations({ telemetry, serviceUrl, ...workload })),
  );

  // Judgements can be written to spans that are stored.
  if (!(await telemetry.forceFlush(FLUSH_MILLIS)))
    throw new Error(`The spans could not be exported: ${JSON.stringify(telemetry.getStats().export.total)}`);
  if (options.endpoint !== undefined)
    say('Annotating answers with their relevance, and comparing two ranking strategies ...');
  const results: Record<string, Omit<TenantResult, 'ended' | 'exported'>> = {};
  for (const [index, workload] of workloads.entries()) {
    const { tenant } = workload;
    const { asked, failed, judged } = clients[index]!;
    let experiments: TenantResult['experiments'] = [];
    if (options.endpoint !== undefined) {
      const provider = await telemetry.getProvider(tenant.id);
      await provider.annotations.logEvaluations({
        evalName: 'relevance',
        annotatorKind: 'CODE',
        evaluations: judged.map(({ spanId, judgement }) => ({ spanId, ...judgement })),
      });
      experiments = await compareStrategies({ telemetry, provider, serviceUrl, runId, ...workload });
    }
    results[tenant.id] = {
      project: telemetry.config.getProjectName(tenant.id),
      asked,
      failed,
      relevance: judged.reduce((sum, { judgement }) => sum + judgement.score, 0) / Math.max(1, judged.length),
      experiments,
    };
  }

  await service.close();
  stopInstrumentation();
  await telemetry.shutdown(FLUSH_MILLIS);
  const audit = telemetry.audit();
  const ledger = telemetry.getStats().export;
  const counted: Record<string, TenantResult> = {};
  for (const [tenantId, result] of Object.entries(results)) {
    const { ended = 0, exported = 0 } = ledger.tenants[tenantId] ?? {};
    counted[tenantId] = { ...result, ended, exported };
  }
  return { runId, startedAt, tenants: counted, audit };
}
