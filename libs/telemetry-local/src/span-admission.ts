/**
 * Decides of each decoded span whose it is, or why it is refused.   Write path: decode -> [span-admission] -> log.
 *
 * A pure function of the body, the caller's key and the header: the log holds these three, so a replay decides the same.
 */
import {
  encodeTraces,
  type OtlpResourceSpans,
  type OtlpScopeSpans,
  type OtlpSpan,
  type OtlpTraces,
  validateSpan,
} from '@cogniverse/foundation/otlp';
import type { ProjectRef } from '@cogniverse/foundation/telemetry';

/** Tenant ids and project names of more characters are refused. */
export const MAX_NAME_LENGTH = 512;
const MAX_MESSAGE_LENGTH = 1000;
const DEFAULT_PROJECT = 'default';
const PROJECT_ATTRIBUTE = 'openinference.project.name';
const TENANT_ATTRIBUTE = 'tenant.id';

/** What else than the body decides; kept in the log beside it. */
export interface Caller {
  readonly tenantId: string | undefined;
  readonly projectName: string | undefined;
}

export interface AdmittedSpan {
  readonly project: ProjectRef;
  readonly span: OtlpSpan;
  /** Resource and scope with their schema URLs, as an OTLP message without spans; one object for all spans of a scope. */
  readonly origin: Uint8Array;
  /** Place in the request, counting the refused ones too. */
  readonly index: number;
}

export interface RejectedSpan {
  readonly tenantId: string | null;
  readonly reason: string;
  readonly detail: string;
}

export interface Admission {
  readonly admitted: AdmittedSpan[];
  readonly rejected: RejectedSpan[];
  /** All spans of the request, but those of tenants that are being deleted. */
  readonly total: number;
  /** The request without the spans of tenants that are being deleted; undefined when it has none. */
  readonly kept: OtlpTraces | undefined;
}

const NONE: ReadonlySet<string | null> = new Set();

type Named = { readonly name: string | undefined } | { readonly problem: string };

/** A name from an attribute: absent and empty are no name, anything but a short string is a problem. */
function nameFrom(value: unknown, what: string): Named {
  if (value === undefined || value === '') return { name: undefined };
  if (typeof value !== 'string') return { problem: `${what} is not a string` };
  if (value.length > MAX_NAME_LENGTH) return { problem: `${what} is longer than ${MAX_NAME_LENGTH} characters` };
  return { name: value };
}

export function originOf(resourceSpans: OtlpResourceSpans, scopeSpans: OtlpScopeSpans): Uint8Array {
  return encodeTraces({ resourceSpans: [{ ...resourceSpans, scopeSpans: [{ ...scopeSpans, spans: [] }] }] });
}

/** Spans of the tenants in `deleting` are refused, and leave no trace in what is logged: `index` counts without them. */
export function admitSpans(traces: OtlpTraces, caller: Caller, deleting = NONE): Admission {
  const admitted: AdmittedSpan[] = [];
  const rejected: RejectedSpan[] = [];
  const left = new Set<OtlpSpan>();
  let index = -1;
  for (const resourceSpans of traces.resourceSpans) {
    const attributes = resourceSpans.resource.attributes;
    const projectName = nameFrom(attributes.get(PROJECT_ATTRIBUTE), PROJECT_ATTRIBUTE);
    const resourceTenant = nameFrom(attributes.get(TENANT_ATTRIBUTE), TENANT_ATTRIBUTE);
    const headerName = nameFrom(caller.projectName, 'x-project-name');
    /** One object a tenant, so that its key is looked up once. */
    const projects = new Map<string | null, ProjectRef>();
    for (const scopeSpans of resourceSpans.scopeSpans) {
      let origin: Uint8Array | undefined;
      for (const span of scopeSpans.spans) {
        index += 1;
        const spanTenant = nameFrom(span.attributes.get(TENANT_ATTRIBUTE), TENANT_ATTRIBUTE);
        const named = 'problem' in spanTenant || spanTenant.name !== undefined ? spanTenant : resourceTenant;
        const reject = (reason: string, detail: string) => {
          const tenantId = caller.tenantId ?? ('problem' in named ? null : (named.name ?? null));
          rejected.push({ tenantId, reason, detail });
        };
        const namedTenant = 'problem' in named ? null : (named.name ?? null);
        if (deleting.has(caller.tenantId ?? namedTenant) || (namedTenant !== null && deleting.has(namedTenant))) {
          index -= 1;
          left.add(span);
          reject('tenant_deleted', 'the tenant is being deleted');
          continue;
        }
        const invalid = validateSpan(span);
        if (invalid !== undefined) {
          reject('invalid_span', invalid);
          continue;
        }
        if ('problem' in named) {
          reject('invalid_tenant', named.problem);
          continue;
        }
        if (caller.tenantId !== undefined && named.name !== undefined && named.name !== caller.tenantId) {
          reject('tenant_mismatch', 'the span names another tenant than the key');
          continue;
        }
        const project = 'problem' in projectName || projectName.name !== undefined ? projectName : headerName;
        if ('problem' in project) {
          reject('invalid_project', project.problem);
          continue;
        }
        const tenantId = caller.tenantId ?? named.name ?? null;
        let ref = projects.get(tenantId);
        if (ref === undefined) {
          ref = { tenantId, name: project.name ?? DEFAULT_PROJECT };
          projects.set(tenantId, ref);
        }
        origin ??= originOf(resourceSpans, scopeSpans);
        admitted.push({ project: ref, span, origin, index });
      }
    }
  }
  return { admitted, rejected, total: index + 1, kept: left.size === 0 ? undefined : without(traces, left) };
}

function without({ resourceSpans }: OtlpTraces, left: ReadonlySet<OtlpSpan>): OtlpTraces {
  return {
    resourceSpans: resourceSpans.flatMap((resource) => {
      const scopeSpans = resource.scopeSpans.flatMap((scope) => {
        const spans = scope.spans.filter((span) => !left.has(span));
        return spans.length === 0 ? [] : [{ ...scope, spans }];
      });
      return scopeSpans.length === 0 ? [] : [{ ...resource, scopeSpans }];
    }),
  };
}

/** The reasons with their counts and one example each, bounded. */
export function rejectionMessage(rejected: readonly RejectedSpan[]): string {
  if (rejected.length === 0) return '';
  const reasons = new Map<string, { count: number; detail: string }>();
  for (const { reason, detail } of rejected) {
    const entry = reasons.get(reason);
    if (entry === undefined) reasons.set(reason, { count: 1, detail });
    else entry.count += 1;
  }
  const text = [...reasons].map(([reason, { count, detail }]) => `${reason}: ${count} (${detail})`).join('; ');
  return `${rejected.length} ${rejected.length === 1 ? 'span' : 'spans'} rejected; ${text}`.slice(
    0,
    MAX_MESSAGE_LENGTH,
  );
}
