/**
 * Starts and stops the server: three ports in front of one store.   Control path: CLI -> [start-server] -> listeners.
 */
import type { AddressInfo, Server } from 'node:net';
import { ConfigurationError } from '@cogniverse/foundation/store';
import type { TelemetryStore } from '@cogniverse/foundation/telemetry';
import { Authenticator } from './auth/authenticator.js';
import { HttpListener } from './http-listener.js';
import { IngestService } from './receivers/ingest-service.js';
import { OtlpGrpcReceiver } from './receivers/otlp-grpc.js';
import { registerOtlpHttp } from './receivers/otlp-http.js';
import { RequestGuard } from './request-guard.js';
import { registerRest } from './rest/register-rest.js';
import { ServerLedger } from './server-ledger.js';
import { createStderrLogger, type ServerLogger } from './server-log.js';
import { ServerMetrics } from './server-metrics.js';
import { checkTls, isLoopbackName, parseServerOptions, type ServerOptions } from './server-options.js';
import { TrustedProxies } from './trusted-proxies.js';

export interface StartServerOptions extends ServerOptions {
  /** Stays the caller's: it is shut down by the caller, after `close()`. */
  readonly store: TelemetryStore;
  /** JSON lines on standard error by default. */
  readonly logger?: ServerLogger | undefined;
}

export interface RunningServer {
  readonly addresses: {
    /** Base URL, for example `http://127.0.0.1:6006`. */
    readonly http: string;
    /** Full URL of the OTLP path, for example `http://127.0.0.1:4318/v1/traces`. */
    readonly otlpHttp: string;
    /** Host and port, for example `127.0.0.1:4317`. */
    readonly otlpGrpc: string;
  };
  readonly ledger: ServerLedger;
  /**
   * Takes another certificate into use, for connections that begin now, on a server that was started with one.
   *
   * Errors: `ConfigurationError` for one that cannot be used; the old one stays.
   */
  useCertificate(tls: { readonly cert: string; readonly key: string }): void;
  /** Stops accepting, finishes requests under way within `limits.shutdownTimeoutMillis`. Further calls share the first one's result. */
  close(): Promise<void>;
}

/**
 * Listens on three ports.
 *
 * Errors: `ConfigurationError` for a bad option or a port that cannot be had; then nothing is left open.
 */
export async function startServer(options: StartServerOptions): Promise<RunningServer> {
  const { store, logger = createStderrLogger(), ...rest } = options;
  const settings = parseServerOptions(rest);
  const { host, limits, tls } = settings;
  const metrics = new ServerMetrics({ logger });
  const ledger = new ServerLedger({ maxTenants: limits.maxTenantsInLedger });
  const authenticator = new Authenticator({ keyFile: settings.keyFile, logger });
  const proxies = new TrustedProxies(settings.trustProxy);
  const guard = new RequestGuard({ allowedHosts: settings.allowedHosts, proxies });
  const requestLog = settings.logRequests ? logger : undefined;
  const shared = { guard, authenticator, metrics, requestLog, proxies, limits, tls };
  const service = new IngestService({ store, ledger, limits, onError: (error) => metrics.reportError('http', error) });

  const main = new HttpListener({ name: 'http', ...shared });
  await main.app.register(registerOtlpHttp, { service });
  await registerRest(main.app, { store, ledger, metrics, authenticator, service });
  const otlpHttp = new HttpListener({ name: 'otlp_http', ...shared });
  await otlpHttp.app.register(registerOtlpHttp, { service });
  const grpc = new OtlpGrpcReceiver({ ...shared, service, health: () => store.health() });
  await Promise.all([main.app.ready(), otlpHttp.app.ready()]);

  let closed: Promise<void> | undefined;
  const close = () => {
    closed ??= (async () => {
      const deadline = new AbortController();
      const timer = setTimeout(() => deadline.abort(), limits.shutdownTimeoutMillis);
      await Promise.all([main, otlpHttp, grpc].map((listener) => listener.close(deadline.signal)));
      clearTimeout(timer);
      metrics.close();
      logger.log('info', 'server_closed', { cut: deadline.signal.aborted });
    })();
    return closed;
  };

  const scheme = tls ? 'https' : 'http';
  try {
    const httpPort = await listen(main.server, host, settings.port, 'port');
    const otlpPort = await listen(otlpHttp.server, host, settings.otlpPort, 'otlpPort');
    const grpcPort = await listen(grpc.server, host, settings.grpcPort, 'grpcPort');
    const name = host.includes(':') ? `[${host}]` : host;
    const addresses = {
      http: `${scheme}://${name}:${httpPort}`,
      otlpHttp: `${scheme}://${name}:${otlpPort}/v1/traces`,
      otlpGrpc: `${name}:${grpcPort}`,
    };
    logger.log('info', 'server_listening', addresses);
    if (tls === undefined && settings.trustProxy.length === 0 && !isLoopbackName(host)) {
      logger.log('warn', 'keys_over_plain_http', { host });
    }
    const useCertificate: RunningServer['useCertificate'] = (next) => {
      checkTls(next);
      for (const listener of [main, otlpHttp, grpc]) listener.useCertificate(next);
      logger.log('info', 'tls_reloaded');
    };
    return { addresses, ledger, useCertificate, close };
  } catch (error) {
    await close();
    throw error;
  }
}

const CLI_OPTION = { port: '--port', otlpPort: '--otlp-port', grpcPort: '--grpc-port' } as const;

/** The port that was bound. */
function listen(server: Server, host: string, port: number, option: keyof typeof CLI_OPTION): Promise<number> {
  return new Promise((resolve, reject) => {
    const onError = (cause: NodeJS.ErrnoException) => {
      const remedy = `Choose another with ${CLI_OPTION[option]} (option "${option}"), or 0 for any free port.`;
      const reason =
        cause.code === 'EADDRINUSE'
          ? 'is in use by another process'
          : cause.code === 'EACCES'
            ? 'may not be opened by this user'
            : `cannot be opened (${cause.code ?? cause.message})`;
      reject(new ConfigurationError(`Port ${port} on ${host} ${reason}. ${remedy}`, { cause }));
    };
    server.once('error', onError);
    server.listen({ host, port }, () => {
      server.removeListener('error', onError);
      resolve((server.address() as AddressInfo).port);
    });
  });
}
