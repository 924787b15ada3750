/**
 * Whose a span is by what it shows, whatever project it was put into: the path of the request, the session, the tenant attribute, and
 * the other spans of its trace. A wrong turn anywhere between context and storage makes two of them disagree.
 */
import type { SpanRecord } from '@cogniverse/foundation/telemetry';

export interface Sighting {
  readonly tenant: string;
  /** Where it was seen. */
  readonly by: string;
}

const PATH_ATTRIBUTES = ['url.path', 'url.full', 'http.target', 'http.url'];

export function ownerOf(span: Pick<SpanRecord, 'attributes' | 'sessionId'>): Sighting[] {
  const sightings: Sighting[] = [];
  for (const by of PATH_ATTRIBUTES) {
    const value = span.attributes[by];
    const tenant = typeof value === 'string' ? /\/tenants\/([^/?]+)\//.exec(value)?.[1] : undefined;
    if (tenant !== undefined) sightings.push({ tenant, by });
  }
  const session = /^(.+)-session-/.exec(span.sessionId ?? '')?.[1];
  if (session !== undefined) sightings.push({ tenant: session, by: 'session.id' });
  const attribute = span.attributes['tenant.id'];
  if (typeof attribute === 'string') sightings.push({ tenant: attribute, by: 'tenant.id' });
  return sightings;
}

/** A trace belongs to the tenant in whose project it was seen first. */
export class TraceOwners {
  readonly #owners = new Map<string, string>();

  note(traceId: string, tenantId: string | null): Sighting[] {
    const owner = this.#owners.get(traceId);
    if (owner !== undefined) return [{ tenant: owner, by: 'its trace' }];
    if (tenantId !== null) this.#owners.set(traceId, tenantId);
    return [];
  }
}
