/**
 * Reads and writes the headers of a request, whatever object holds them.   Control path: propagator -> [header-carrier] -> headers.
 *
 * No call throws: headers come from strangers, and the objects that hold them from frameworks and applications.
 */
import type { TextMapGetter, TextMapSetter } from '@opentelemetry/api';

/** `Headers` of the Fetch API, a `Map`, Node's `request.headers`, or a plain object; names in any case. */
export type HeaderCarrier = object;

interface HeaderMap {
  get(name: string): unknown;
  set(name: string, value: string): unknown;
  delete(name: string): unknown;
  keys?(): Iterable<unknown>;
}

function isHeaderMap(carrier: object): carrier is HeaderMap {
  return typeof (carrier as HeaderMap).get === 'function' && typeof (carrier as HeaderMap).set === 'function';
}

/** The names under which the carrier has the header; more than one where their case differs. */
function namesIn(carrier: object, name: string): string[] {
  const names = isHeaderMap(carrier) ? [...(carrier.keys?.() ?? [])] : Object.keys(carrier);
  return names.filter((found): found is string => typeof found === 'string' && found.toLowerCase() === name);
}

function textsOf(value: unknown): string[] {
  return (Array.isArray(value) ? value : [value]).filter((entry): entry is string => typeof entry === 'string');
}

/** Values of a header: none, one, or several where it came more than once. */
export const headerGetter: TextMapGetter<unknown> = {
  get(carrier, key) {
    if (typeof carrier !== 'object' || carrier === null) return undefined;
    try {
      const name = key.toLowerCase();
      const direct = isHeaderMap(carrier) ? carrier.get(name) : (carrier as Record<string, unknown>)[name];
      if (direct !== undefined && direct !== null) return textsOf(direct);
      const found = namesIn(carrier, name);
      const read = (as: string) => (isHeaderMap(carrier) ? carrier.get(as) : (carrier as Record<string, unknown>)[as]);
      return found.length === 0 ? undefined : found.flatMap((as) => textsOf(read(as)));
    } catch {
      return undefined; // an object that throws when it is read holds no header
    }
  },
  keys(carrier) {
    if (typeof carrier !== 'object' || carrier === null) return [];
    try {
      return isHeaderMap(carrier) ? textsOf([...(carrier.keys?.() ?? [])]) : Object.keys(carrier);
    } catch {
      return []; // as above
    }
  },
};

export const headerSetter: TextMapSetter<unknown> = {
  set(carrier, key, value) {
    if (typeof carrier !== 'object' || carrier === null) return;
    try {
      if (isHeaderMap(carrier)) carrier.set(key, value);
      else (carrier as Record<string, string>)[key] = value;
    } catch {
      // A frozen object, or headers that were sent already: the call goes out without.
    }
  },
};

/** Takes headers out: what is left in a copied object of an incoming request never goes out with ours. */
export function deleteHeaders(carrier: object, names: readonly string[]): void {
  try {
    for (const name of names) {
      for (const found of namesIn(carrier, name)) {
        if (isHeaderMap(carrier)) carrier.delete(found);
        else delete (carrier as Record<string, unknown>)[found];
      }
    }
  } catch {
    // As for setting.
  }
}
