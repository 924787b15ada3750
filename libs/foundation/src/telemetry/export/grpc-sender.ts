/**
 * One attempt over OTLP/gRPC.   Write path: retry-sender -> [grpc-sender] -> backend.
 *
 * Requests are sent as the bytes they are: no service definition, no message classes. The channel's own repetition is off: retry-sender decides.
 */
import { isIP } from 'node:net';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import { Client, compressionAlgorithms, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { decodeExportResponse } from '../../otlp/index.js';
import { type Clock, systemClock } from './clock.js';
import type { SendOptions, SendResult, SpanSender } from './export-target.js';
import { MAX_RESPONSE_BYTES } from './http-sender.js';
import type { DropReason } from './ledger.js';
import { decodeRetryInfo } from './retry-info.js';

/** A name that no server has a certificate for, so that it answers as one that was told no name. */
const NO_NAME = 'address.invalid';
const METHOD = '/opentelemetry.proto.collector.trace.v1.TraceService/Export';

export interface GrpcSenderOptions {
  /** Scheme, host and port. */
  readonly url: URL;
  /** Sent as metadata. */
  readonly headers: Readonly<Record<string, string>>;
  readonly compression: 'none' | 'gzip';
  /** Certificate authorities to trust instead of the system's, as PEM. */
  readonly certificateAuthority?: string | undefined;
  readonly clock?: Clock | undefined;
}

export class GrpcSender implements SpanSender {
  readonly #client: Client;
  readonly #metadata = new Metadata();
  readonly #clock: Clock;

  constructor(options: GrpcSenderOptions) {
    const { url, certificateAuthority } = options;
    this.#clock = options.clock ?? systemClock;
    const secure = url.protocol === 'https:';
    const address = `${url.hostname}:${url.port === '' ? (secure ? '443' : '80') : url.port}`;
    const ca = certificateAuthority === undefined ? null : Buffer.from(certificateAuthority);
    const ip = url.hostname.replace(/^\[|\]$/g, '');
    const byAddress = secure && isIP(ip) !== 0;
    const verification = byAddress
      ? { checkServerIdentity: (_: string, cert: PeerCertificate) => checkServerIdentity(ip, cert) }
      : {};
    const channelCredentials = secure
      ? credentials.createSsl(ca, null, null, verification)
      : credentials.createInsecure();
    this.#client = new Client(address, channelCredentials, {
      'grpc.max_send_message_length': -1,
      'grpc.max_receive_message_length': MAX_RESPONSE_BYTES,
      'grpc.enable_retries': 0,
      'grpc.service_config_disable_resolution': 1,
      // A probe of ours is to find a backend that is back, not the channel's own longer pause.
      'grpc.initial_reconnect_backoff_ms': 200,
      'grpc.min_reconnect_backoff_ms': 200,
      'grpc.max_reconnect_backoff_ms': 1000,
      'grpc.primary_user_agent': 'cogniverse-telemetry-js/0.1.0',
      // The channel would tell the server the address as its name, which TLS does not allow and Node 26 refuses.
      ...(byAddress ? { 'grpc.ssl_target_name_override': NO_NAME } : {}),
      ...(options.compression === 'gzip' ? { 'grpc.default_compression_algorithm': compressionAlgorithms.gzip } : {}),
    });
    for (const [name, value] of Object.entries(options.headers)) this.#metadata.set(name, value);
  }

  send(body: Uint8Array, options: SendOptions): Promise<SendResult> {
    return new Promise((resolve) => {
      let headersCame = false;
      const deadline = Date.now() + options.timeoutMillis;
      const call = this.#client.makeUnaryRequest(
        METHOD,
        (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
        (bytes: Buffer) => bytes,
        body,
        this.#metadata,
        { deadline },
        (error: ServiceError | null, response?: Buffer) => {
          timer.cancel();
          resolve(error === null ? accepted(response) : refused(error, headersCame));
        },
      );
      // The channel's deadline is on the wall clock, which may jump; this one is not.
      const timer = this.#clock.schedule(options.timeoutMillis, () => call.cancel());
      call.on('metadata', () => {
        headersCame = true;
      });
    });
  }

  async close(): Promise<void> {
    this.#client.close();
  }
}

function accepted(response: Buffer | undefined): SendResult {
  try {
    return { status: 'sent', ...decodeExportResponse(response ?? new Uint8Array(0)) };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { status: 'sent', rejectedSpans: 0, message: `a success whose body is unreadable: ${why}` };
  }
}

/** Whether the status came over the wire: the channel's own have no metadata. */
function fromBackend(error: ServiceError, headersCame: boolean): boolean {
  return headersCame || Object.keys(error.metadata?.getMap() ?? {}).length > 0;
}

const NEVER_SENT = /^(No connection established|Name resolution failed|Failed to|The channel has been closed)/;
const TLS_FAILURE = /certificate|self.signed|SSL|TLS|altname|wrong version number/i;

/** The channel's words without what differs from one attempt to the next, and with what to do where it is not plain. */
function readable(details: string): string {
  const text = details.replace(/ \(\d{4}-\d\d-\d\dT[\d:.]+Z\)/, '').replace(/\.? Resolution note: $/, '');
  return /Protocol error/.test(text)
    ? `${text}. If it takes OTLP over HTTP, set otlp_protocol to "http/protobuf"`
    : text;
}

function refused(error: ServiceError, headersCame: boolean): SendResult {
  const { code, details } = error;
  const answered = fromBackend(error, headersCame);
  const reason: DropReason = `grpc_${code}`;
  const failure = new Error(`gRPC ${status[code] ?? code}: ${readable(details)}`);
  const detailsBin = error.metadata?.get('grpc-status-details-bin').find((value) => typeof value !== 'string');
  const retryInfo = detailsBin === undefined ? undefined : decodeRetryInfo(detailsBin);
  const afterMillis = retryInfo?.afterMillis;
  switch (code) {
    case status.UNAVAILABLE: {
      const neverSent = !answered && NEVER_SENT.test(details);
      const isTls = neverSent && TLS_FAILURE.test(details);
      const because: DropReason = isTls ? 'tls' : reason;
      return { status: 'retryable', reason: because, error: failure, afterMillis, ambiguous: !answered && !neverSent };
    }
    case status.CANCELLED:
    case status.DEADLINE_EXCEEDED:
    case status.ABORTED:
    case status.OUT_OF_RANGE:
    case status.DATA_LOSS:
      return { status: 'retryable', reason, error: failure, afterMillis, ambiguous: true };
    case status.RESOURCE_EXHAUSTED:
      if (!answered || /received message larger than max|decompressed message larger than max/i.test(details)) {
        // Which side's limit? Ours bounds what a backend may answer, and it then has answered.
        const ours = headersCame;
        return ours
          ? { status: 'failed', reason: 'response_too_large', error: failure }
          : { status: 'splittable', reason, error: failure };
      }
      if (retryInfo !== undefined)
        return { status: 'retryable', reason, error: failure, afterMillis, ambiguous: false };
      return { status: 'failed', reason, error: failure };
    case status.INVALID_ARGUMENT: // what HTTP's 400 is
      return { status: 'splittable', reason, error: failure };
    default:
      return { status: 'failed', reason, error: failure };
  }
}
