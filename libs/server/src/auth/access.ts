/**
 * What a request may do, and for whom.   First step of every path: authenticator -> [access] -> routes.
 */
import { TenantMismatchError } from '@cogniverse/foundation/store';

/** Of a request that was let in. */
export interface Access {
  /** Undefined: the operator's, for all tenants. A tenant's request sees and writes that tenant alone. */
  readonly tenantId: string | undefined;
  /** Undefined where no keys are in use. */
  readonly keyId: string | undefined;
}

/**
 * What a route asks for. `open`: nothing. `read`, `ingest`: that right; `change`: both, because whoever changes what is stored learns of
 * it. `operate`: the operator's key with both; `observe`: the operator's key with the right to read.
 */
export type RouteAccess = 'open' | 'read' | 'ingest' | 'change' | 'operate' | 'observe';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set before a route runs. */
    access: Access;
  }
  interface FastifyContextConfig {
    /** By default `read` for GET and HEAD, `change` for every other method. */
    readonly access?: RouteAccess | undefined;
  }
}

const CODE_OF_STATUS = { 401: 'unauthenticated', 403: 'permission_denied', 503: 'backend_unavailable' } as const;

/** A request that is not let in. */
export class AccessRefusedError extends Error {
  readonly statusCode: keyof typeof CODE_OF_STATUS;
  readonly code: (typeof CODE_OF_STATUS)[keyof typeof CODE_OF_STATUS];
  constructor(statusCode: keyof typeof CODE_OF_STATUS, message: string) {
    super(message);
    this.name = 'AccessRefusedError';
    this.statusCode = statusCode;
    this.code = CODE_OF_STATUS[statusCode];
  }
}

/** Where no keys are in use: everybody is the operator. */
export const OPEN_ACCESS: Access = { tenantId: undefined, keyId: undefined };

/**
 * The tenant that a request is about: of what it names (undefined: nothing), limited to what its key allows.
 *
 * Errors: `TenantMismatchError` for any other tenant than the key's, whether there is one of that name or not.
 */
export function allowedTenant(access: Access, named: string | null | undefined): string | null | undefined {
  if (access.tenantId === undefined) return named;
  if (named === undefined || named === access.tenantId) return access.tenantId;
  throw new TenantMismatchError(
    'The request names another tenant than its key. Leave the tenant out, or use a key of that tenant.',
  );
}
