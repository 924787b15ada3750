/**
 * Attributes as Phoenix nests them: dotted keys become objects, numbered ones lists of objects.   Read path: stored span -> [attribute-tree] -> dataframe.
 *
 * Source: `unflatten` and `flatten` of Phoenix 20.26, `phoenix/trace/attributes.py`.
 */
import { SemanticConventions } from '@arizeai/openinference-semantic-conventions';
import type { AnyValue, Attributes } from '@cogniverse/foundation/otlp';
import { flatten } from '../phoenix-span.js';

/** Keys that stay whole, the longest first. */
const CONVENTIONS = [...new Set<string>(Object.values(SemanticConventions))].sort((a, b) => b.length - a.length);
const JSON_STRINGS = ['document.metadata', 'llm.prompt_template.variables', 'metadata', 'tool.parameters'];
const DIGITS = /^\d+$/;

class Node {
  value: AnyValue | undefined;
  readonly children = new Map<string, Node>();
  /** Those of the children that are places in a list. */
  readonly places = new Set<string>();

  child(key: string, isPlace: boolean): Node {
    let node = this.children.get(key);
    if (node === undefined) {
      node = new Node();
      this.children.set(key, node);
      if (isPlace && this.value === undefined) this.places.add(key);
    } else if (!isPlace) {
      this.places.delete(key);
    }
    return node;
  }
}

/** The first part of a key, which is a convention's name if it begins with one, and the rest. */
function split(key: string, conventions: readonly string[]): [string, string] {
  for (const name of conventions) {
    if (key === name) return [name, ''];
    if (key.startsWith(`${name}.`)) return [name, key.slice(name.length + 1)];
  }
  const dot = key.indexOf('.');
  return dot === -1 ? [key, ''] : [key.slice(0, dot), key.slice(dot + 1)];
}

function treeOf(entries: Iterable<readonly [string, AnyValue]>, conventions: readonly string[]): Map<string, AnyValue> {
  const root = new Node();
  for (const [key, value] of entries) {
    if (value === null) continue;
    let node = root;
    for (let rest = key; ; ) {
      const [part, more] = split(rest, conventions);
      const name = part.trim();
      node = node.child(name, more !== '' && DIGITS.test(name));
      if (more === '') break;
      rest = more;
    }
    node.value = value;
    node.places.clear();
  }
  return new Map(childrenOf(root, ''));
}

/** What a node and those below it are in the object around them. Beside a value, what is below it has dotted keys. */
function* entriesOf(node: Node, key: string): Generator<[string, AnyValue]> {
  if (node.value !== undefined) {
    yield [key, node.value];
    yield* childrenOf(node, `${key}.`);
  } else if (node.places.size > 0) {
    const places = [...node.places].sort((a, b) => Number(a) - Number(b));
    yield [key, places.map((place) => new Map(childrenOf(node.children.get(place)!, '')))];
    yield* childrenOf(node, `${key}.`, node.places);
  } else {
    yield [key, new Map(childrenOf(node, ''))];
  }
}

function* childrenOf(
  node: Node,
  prefix: string,
  without: ReadonlySet<string> = new Set(),
): Generator<[string, AnyValue]> {
  for (const [key, child] of node.children) if (!without.has(key)) yield* entriesOf(child, `${prefix}${key}`);
}

/** The object or list in a string that holds one by convention; any other value as it is. */
function loaded(key: string, value: AnyValue): AnyValue {
  if (typeof value !== 'string' || !JSON_STRINGS.some((name) => key.endsWith(name))) return value;
  try {
    return fromJson(JSON.parse(value));
  } catch {
    return value; // a text that only has the name of JSON
  }
}

function fromJson(value: unknown): AnyValue {
  if (Array.isArray(value)) return value.map(fromJson);
  if (typeof value === 'object' && value !== null) {
    return new Map(Object.entries(value).map(([key, item]) => [key, fromJson(item)]));
  }
  if (typeof value === 'number' && Number.isSafeInteger(value)) return BigInt(value);
  return value as AnyValue;
}

function loadedAttributes(attributes: Attributes): Attributes {
  return new Map(Array.from(attributes, ([key, value]) => [key, loaded(key, value)] as const));
}

/** The columns of a dataframe: a convention's attribute each, and one object for each first part of any other key. */
export function attributeColumns(attributes: Attributes): Map<string, AnyValue> {
  const whole = loadedAttributes(attributes);
  const entries: [string, AnyValue][] = [];
  for (const [key, value] of whole) {
    // What was JSON stays one value; other maps are no more than dotted keys.
    if (attributes.get(key) !== value && value instanceof Map) entries.push([key, value]);
    else entries.push(...flatten(new Map([[key, value]])));
  }
  return treeOf(entries, CONVENTIONS);
}

/** Everything nested by its dots. */
export function nestedAttributes(attributes: Attributes): Map<string, AnyValue> {
  return treeOf(flatten(loadedAttributes(attributes)), []);
}

/** What is at a dotted path; undefined where there is nothing. */
export function valueAt(tree: AnyValue | undefined, path: string): AnyValue | undefined {
  if (!(tree instanceof Map)) return undefined;
  const whole = tree.get(path);
  if (whole !== undefined) return whole;
  const parts = path.split('.');
  for (let count = parts.length - 1; count > 0; count -= 1) {
    const inner = tree.get(parts.slice(0, count).join('.'));
    const rest = parts.slice(count);
    const found = Array.isArray(inner)
      ? rest.length === 1
        ? inner[Number(rest[0])]
        : valueAt(inner[Number(rest[0])], rest.slice(1).join('.'))
      : valueAt(inner, rest.join('.'));
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The dotted keys of an object. */
export function flatEntries(value: Map<string, AnyValue>): Attributes {
  return flatten(value);
}
