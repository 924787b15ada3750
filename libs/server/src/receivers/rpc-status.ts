/**
 * `google.rpc.Status`, in which OTLP tells why a request was refused, and how long to wait.   Write path: store -> [rpc-status] -> client.
 *
 * Source: google/rpc/status.proto, google/rpc/error_details.proto, google/rpc/code.proto.
 */
import { ProtoWriter } from '@cogniverse/foundation/otlp';
import type { AccessRefusedError } from '../auth/access.js';

/** Codes of google.rpc.Code, which are gRPC's. */
export const RPC_CODE = {
  ok: 0,
  cancelled: 1,
  invalidArgument: 3,
  notFound: 5,
  permissionDenied: 7,
  resourceExhausted: 8,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;
export type RpcCode = (typeof RPC_CODE)[keyof typeof RPC_CODE];

export interface RpcStatus {
  readonly code: RpcCode;
  readonly message: string;
  /** Adds a `RetryInfo`. */
  readonly retryAfterMillis?: number | undefined;
}

/** The Status message in protobuf. */
export function encodeRpcStatus(status: RpcStatus): Uint8Array {
  const writer = new ProtoWriter({ initialBytes: 256 });
  writer.int32(0x08, status.code);
  writer.string(0x12, status.message);
  if (status.retryAfterMillis !== undefined) {
    const millis = wholeMillis(status.retryAfterMillis);
    const any = writer.begin(0x1a);
    writer.string(0x0a, RETRY_INFO_TYPE);
    const retryInfo = writer.begin(0x12);
    const duration = writer.begin(0x0a);
    writer.int64(0x08, BigInt(Math.floor(millis / 1000)));
    writer.int32(0x10, (millis % 1000) * 1_000_000);
    writer.end(duration);
    writer.end(retryInfo);
    writer.end(any);
  }
  return writer.finish();
}

/** The Status message in protobuf's JSON form. */
export function rpcStatusJson(status: RpcStatus): Record<string, unknown> {
  const json: Record<string, unknown> = { code: status.code, message: status.message };
  if (status.retryAfterMillis !== undefined) {
    json['details'] = [{ '@type': RETRY_INFO_TYPE, retryDelay: `${wholeMillis(status.retryAfterMillis) / 1000}s` }];
  }
  return json;
}

const RETRY_INFO_TYPE = 'type.googleapis.com/google.rpc.RetryInfo';

function wholeMillis(millis: number): number {
  return Math.max(0, Math.round(millis));
}

/** Of a request that was not let in. */
export function rpcCodeOfRefusal({ statusCode }: AccessRefusedError): RpcCode {
  return { 401: RPC_CODE.unauthenticated, 403: RPC_CODE.permissionDenied, 503: RPC_CODE.unavailable }[statusCode];
}
