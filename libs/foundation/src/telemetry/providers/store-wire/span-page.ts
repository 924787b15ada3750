/**
 * A page of spans as JSON: OTLP, with every resource and scope once.   Server <-> remote store.
 */
import { z } from 'zod';
import { decodeTracesJson, encodeTracesJson, type OtlpLimits } from '../../../otlp/index.js';
import type { OtlpResource, OtlpResourceSpans, OtlpScope, OtlpScopeSpans, OtlpTraces } from '../../../otlp/model.js';
import type { Page, ProjectRef, StoredSpan } from '../records.js';
import { answer, count, int64, isObject, tenantId, text } from './values.js';

const wirePageOfSpans = z.object({
  data: z.object({
    /** OTLP `TracesData`: every resource and every scope stands once, with its spans below it. */
    traces: z.custom<object>(isObject, 'expected OTLP JSON'),
    projects: z.array(answer<ProjectRef>({ tenantId, name: text })),
    /** One entry a span, in the order of the page: its place among the spans of `traces`, its sequence, its place in `projects`. */
    spans: z.array(z.tuple([count, int64, count])),
  }),
  next_cursor: z.string().nullable(),
});

type WirePageOfSpans = z.output<typeof wirePageOfSpans>;

/** Gives equal resources, or equal scopes, equal keys. The same object is encoded once. */
function contentKeys<T extends object>(traces: (value: T) => OtlpTraces): (value: T, schemaUrl: string) => string {
  const known = new Map<T, string>();
  return (value, schemaUrl) => {
    let key = known.get(value);
    if (key === undefined) {
      key = JSON.stringify(encodeTracesJson(traces(value)));
      known.set(value, key);
    }
    return JSON.stringify([schemaUrl, key]);
  };
}

function encodeSpanPage(page: Page<StoredSpan>): WirePageOfSpans {
  const resourceKey = contentKeys<OtlpResource>((resource) => ({
    resourceSpans: [{ resource, schemaUrl: '', scopeSpans: [] }],
  }));
  const scopeKey = contentKeys<OtlpScope>((scope) => ({
    resourceSpans: [{ resource: NO_RESOURCE, schemaUrl: '', scopeSpans: [{ scope, schemaUrl: '', spans: [] }] }],
  }));
  interface ScopeGroup {
    readonly scopeSpans: OtlpScopeSpans;
    readonly positions: number[];
  }
  const groups = new Map<string, { resourceSpans: OtlpResourceSpans; scopes: Map<string, ScopeGroup> }>();
  const projects = new Map<string, number>();
  const projectRefs: ProjectRef[] = [];
  for (const [position, stored] of page.items.entries()) {
    const ofResource = resourceKey(stored.resource, stored.resourceSchemaUrl);
    let group = groups.get(ofResource);
    if (group === undefined) {
      const { resource, resourceSchemaUrl: schemaUrl } = stored;
      group = { resourceSpans: { resource, schemaUrl, scopeSpans: [] }, scopes: new Map() };
      groups.set(ofResource, group);
    }
    const ofScope = scopeKey(stored.scope, stored.scopeSchemaUrl);
    let scopeGroup = group.scopes.get(ofScope);
    if (scopeGroup === undefined) {
      const { scope, scopeSchemaUrl: schemaUrl } = stored;
      scopeGroup = { scopeSpans: { scope, schemaUrl, spans: [] }, positions: [] };
      group.scopes.set(ofScope, scopeGroup);
      group.resourceSpans.scopeSpans.push(scopeGroup.scopeSpans);
    }
    scopeGroup.scopeSpans.spans.push(stored.span);
    scopeGroup.positions.push(position);
  }
  const spans: WirePageOfSpans['data']['spans'] = new Array(page.items.length);
  let place = 0;
  for (const { scopes } of groups.values()) {
    for (const { positions } of scopes.values()) {
      for (const position of positions) {
        const { project, sequence } = page.items[position]!;
        const projectKey = JSON.stringify([project.tenantId, project.name]);
        let projectAt = projects.get(projectKey);
        if (projectAt === undefined) {
          projectAt = projectRefs.push({ tenantId: project.tenantId, name: project.name }) - 1;
          projects.set(projectKey, projectAt);
        }
        spans[position] = [place, sequence, projectAt];
        place += 1;
      }
    }
  }
  const traces = encodeTracesJson({ resourceSpans: Array.from(groups.values(), (group) => group.resourceSpans) });
  return { data: { traces, projects: projectRefs, spans }, next_cursor: page.nextCursor ?? null };
}

const NO_RESOURCE: OtlpResource = { attributes: new Map(), droppedAttributesCount: 0 };

/** A page is bounded by the store, so the limits for what strangers send do not hold here. */
const PAGE_LIMITS: OtlpLimits = Object.freeze({
  maxGroups: Number.MAX_SAFE_INTEGER,
  maxSpans: Number.MAX_SAFE_INTEGER,
  maxAttributes: Number.MAX_SAFE_INTEGER,
  maxEvents: Number.MAX_SAFE_INTEGER,
  maxLinks: Number.MAX_SAFE_INTEGER,
  maxNodes: Number.MAX_SAFE_INTEGER,
  maxDepth: 256,
  maxJsonContainers: Number.MAX_SAFE_INTEGER,
  maxJsonValues: Number.MAX_SAFE_INTEGER,
});

function decodeSpanPage(wire: WirePageOfSpans): Page<StoredSpan> {
  const { traces, projects, spans } = wire.data;
  const flat: Omit<StoredSpan, 'project' | 'sequence'>[] = [];
  for (const { resource, schemaUrl, scopeSpans } of decodeTracesJson(traces, PAGE_LIMITS).resourceSpans) {
    for (const { scope, schemaUrl: scopeSchemaUrl, spans: members } of scopeSpans) {
      for (const span of members) flat.push({ span, resource, resourceSchemaUrl: schemaUrl, scope, scopeSchemaUrl });
    }
  }
  const items = spans.map(([place, sequence, projectAt]) => {
    const found = flat[place];
    const project = projects[projectAt];
    if (found === undefined || project === undefined) {
      throw new Error(`The page names span ${place} of ${flat.length} and project ${projectAt} of ${projects.length}.`);
    }
    return { project, sequence, ...found };
  });
  return { items, nextCursor: wire.next_cursor ?? undefined };
}

export const pageOfSpans = z.codec(wirePageOfSpans, z.custom<Page<StoredSpan>>(isObject), {
  decode: decodeSpanPage,
  encode: encodeSpanPage,
});
