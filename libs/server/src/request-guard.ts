/**
 * Who may speak to the server at all: the checks of `Host`, `:authority`, `Origin` and `Sec-Fetch-Site`.   First step of every path.
 *
 * A page in a browser can reach a loopback server: by a name that it rebinds to 127.0.0.1, and by requests that need no preflight.
 * The first carries a foreign `Host`, the second a foreign `Origin` or `Sec-Fetch-Site`. Both are refused before anything is read.
 */
import type { IncomingMessage } from 'node:http';
import { isLoopbackName } from './server-options.js';
import { TrustedProxies } from './trusted-proxies.js';

/** Why a request is refused, with the HTTP status for it. */
export interface Refusal {
  readonly status: 400 | 403;
  readonly message: string;
}

const UNCHECKED_PATHS = new Set(['/healthz', '/readyz']);
// host[:port]; an IPv6 address stands in brackets. What is not of this form is no host.
const AUTHORITY = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::\d{1,5})?$/i;

export class RequestGuard {
  readonly #allowedHosts: ReadonlySet<string>;
  readonly #proxies: TrustedProxies;

  constructor(options: { allowedHosts: readonly string[]; proxies?: TrustedProxies | undefined }) {
    this.#proxies = options.proxies ?? new TrustedProxies([]);
    this.#allowedHosts = new Set(options.allowedHosts.map((name) => name.toLowerCase()));
  }

  /** Checks an HTTP/1 request; undefined when it may go on. `/healthz` and `/readyz` are open to any name. */
  checkRequest(request: IncomingMessage): Refusal | undefined {
    const url = request.url ?? '';
    if (!url.startsWith('/'))
      return { status: 400, message: 'The request target must be a path that begins with "/".' };
    const end = url.search(/[?#]/);
    if (UNCHECKED_PATHS.has(end === -1 ? url : url.slice(0, end))) return undefined;
    const hosts = headerValues(request, 'host');
    if (hosts.length !== 1)
      return { status: 400, message: `The request needs one Host header; it has ${hosts.length}.` };
    const { host = hosts[0]!, encrypted } = this.#proxies.of(request);
    return this.checkAuthority(host) ?? this.#checkOrigin(request, host, encrypted);
  }

  /** Checks a `Host` or `:authority` value. */
  checkAuthority(authority: string | undefined): Refusal | undefined {
    const match = AUTHORITY.exec(authority ?? '');
    if (match === null) return { status: 400, message: 'The host of the request is empty or malformed.' };
    const name = (match[1] ?? match[2]!).toLowerCase();
    if (isLoopbackName(name) || this.#allowedHosts.has(name)) return undefined;
    return {
      status: 403,
      message: `The host "${name}" is not served here. Use 127.0.0.1 or localhost, or start the server with --allowed-host ${name}.`,
    };
  }

  #checkOrigin(request: IncomingMessage, host: string, encrypted: boolean): Refusal | undefined {
    const refused: Refusal = { status: 403, message: 'Requests from pages of other origins are refused.' };
    const sites = headerValues(request, 'sec-fetch-site');
    if (sites.some((site) => site !== 'same-origin' && site !== 'none')) return refused;
    const own = `${encrypted ? 'https' : 'http'}://${host.toLowerCase()}`;
    if (headerValues(request, 'origin').some((origin) => origin.toLowerCase() !== own)) return refused;
    return undefined;
  }
}

/** Every value a header was sent with: Node keeps only the first of a repeated one in `headers`. */
function headerValues(request: IncomingMessage, name: string): string[] {
  const values: string[] = [];
  const raw = request.rawHeaders;
  for (let i = 0; i + 1 < raw.length; i += 2) if (raw[i]!.toLowerCase() === name) values.push(raw[i + 1]!);
  return values;
}
