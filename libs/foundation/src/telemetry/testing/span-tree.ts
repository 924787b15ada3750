/** Traces as trees: nested, and as text.   Testing. */
import type { SpanRecord } from '../providers/records.js';
import { withJson } from './written-span.js';

/** A span and what it called, in the order of starting. */
export interface SpanNode extends SpanRecord {
  readonly children: readonly SpanNode[];
}

/** Roots in the order of starting; a span whose parent is not among `spans` is one. `startedBefore`: for equal start times. */
export function spanTree(
  spans: readonly SpanRecord[],
  startedBefore: (a: SpanRecord, b: SpanRecord) => number,
): SpanNode[] {
  const inOrder = [...spans].sort((a, b) =>
    a.startTimeUnixNano === b.startTimeUnixNano
      ? startedBefore(a, b)
      : a.startTimeUnixNano < b.startTimeUnixNano
        ? -1
        : 1,
  );
  const nodes = new Map(inOrder.map((span) => [keyOf(span.traceId, span.spanId), nodeOf(span)]));
  const roots: SpanNode[] = [];
  for (const node of nodes.values()) {
    const parent = node.parentSpanId === undefined ? undefined : nodes.get(keyOf(node.traceId, node.parentSpanId));
    (parent?.children ?? roots).push(node);
  }
  return roots;
}

type MutableNode = SpanNode & { readonly children: SpanNode[] };

function nodeOf(span: SpanRecord): MutableNode {
  const children: SpanNode[] = [];
  return withJson({ ...span, children }, () => ({
    ...span.toJSON(),
    children: children.map((child) => child.toJSON()),
  }));
}

export function keyOf(traceId: string, spanId: string): string {
  return `${traceId} ${spanId}`;
}

/** One line a span: its name, of a root its tenant, of a failed one the message. `missing`: says what a root's parent is. */
export function treeText(roots: readonly SpanNode[], missing: (span: SpanRecord) => string): string {
  return roots.flatMap((root) => lines(root, ` [${root.tenantId}]${missing(root)}`, '', '')).join('\n');
}

function lines(node: SpanNode, note: string, own: string, below: string): string[] {
  const trouble = node.statusCode === 'ERROR' ? ` ✗ ${node.statusMessage}`.trimEnd() : '';
  const last = node.children.length - 1;
  const inner = node.children.flatMap((child, index) =>
    lines(child, '', `${below}${index === last ? '└─ ' : '├─ '}`, `${below}${index === last ? '   ' : '│  '}`),
  );
  return [`${own}${node.name}${note}${trouble}`, ...inner];
}
