/** The server: reachable, ready, with a clock like ours, of our version. */
import { type Finding, failure, ok, warning } from './finding.js';

const TIMEOUT_MILLIS = 5000;
/** `Date` headers have whole seconds. */
const TOLERATED_SKEW_MILLIS = 2000;

/** Difference between the server's clock and ours in milliseconds, judged at the middle of the round trip; undefined within tolerance. */
export function clockSkewMillis(serverDate: string, sentMillis: number, receivedMillis: number): number | undefined {
  const server = Date.parse(serverDate);
  if (Number.isNaN(server)) return undefined;
  // The header is cut to its second: on average the server's time was half a second later.
  const skew = server + 500 - (sentMillis + receivedMillis) / 2;
  return Math.abs(skew) <= TOLERATED_SKEW_MILLIS + (receivedMillis - sentMillis) / 2 ? undefined : Math.round(skew);
}

/** Whether the address is this machine's own. */
export function isLoopback(endpoint: string): boolean {
  return /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/i.test(new URL(endpoint).hostname);
}

/** A key that crosses a network in the clear can be read on its way. */
export function judgeKeyTransport(endpoint: string, apiKey: string | undefined): Finding[] {
  if (!apiKey || new URL(endpoint).protocol === 'https:' || isLoopback(endpoint)) return [];
  return [
    warning(
      'key_without_tls',
      `The key would go to ${endpoint} without TLS: who sees the traffic has the key.`,
      'Serve with --tls-cert and --tls-key, or behind a proxy with TLS, and name the server with https://.',
    ),
  ];
}

/** Whether the key, or none, opens the read API. */
async function checkKey(endpoint: string, apiKey: string | undefined): Promise<Finding[]> {
  const headers = apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
  const { status } = await fetch(`${endpoint}/v1/projects?limit=1`, {
    headers,
    signal: AbortSignal.timeout(TIMEOUT_MILLIS),
    redirect: 'error',
  }).then(
    async (response) => {
      await response.arrayBuffer();
      return response;
    },
    () => ({ status: 0 }), // it was there a moment ago; what is wrong with it is not its key
  );
  if (status === 401) {
    return [
      failure(
        'key_refused',
        apiKey === undefined
          ? `${endpoint} asks for a key, and none was given.`
          : `${endpoint} does not know the key, or it is expired or revoked.`,
        'Give one that `cogniverse keys list` shows as valid, in COGNIVERSE_API_KEY or with --api-key.',
      ),
    ];
  }
  if (status === 403) {
    return [
      warning(
        'key_refused',
        `The key of ${endpoint} may not read.`,
        'To read, give one that was made with --read, in COGNIVERSE_API_KEY or with --api-key.',
      ),
    ];
  }
  return [];
}

/** The key goes only where it may: unencrypted to another machine with `plainHttp` alone. */
export async function checkEndpoint(
  address: string,
  {
    apiKey,
    plainHttp = false,
  }: { readonly apiKey?: string | undefined; readonly plainHttp?: boolean | undefined } = {},
): Promise<Finding[]> {
  const endpoint = address.replace(/\/+$/, '');
  if (!/^https?:\/\//i.test(endpoint) || !URL.canParse(endpoint)) {
    return [
      failure(
        'endpoint_invalid',
        `"${endpoint}" is no http:// or https:// URL.`,
        'Correct COGNIVERSE_ENDPOINT or --endpoint, for example to http://127.0.0.1:6006.',
      ),
    ];
  }
  const sent = Date.now();
  let response: Response;
  let body: string;
  try {
    response = await fetch(`${endpoint}/readyz`, { signal: AbortSignal.timeout(TIMEOUT_MILLIS), redirect: 'error' });
    body = (await response.text()).trim().slice(0, 300);
  } catch (error) {
    const cause = (error as Error & { cause?: Error & { code?: string } }).cause;
    return [
      failure(
        'endpoint_silent',
        `${endpoint} does not answer (${cause?.code ?? cause?.message ?? (error as Error).message}).`,
        'Start a server with `cogniverse serve`, or name the right one with --endpoint.',
      ),
    ];
  }
  const received = Date.now();
  const findings = judgeKeyTransport(endpoint, apiKey);
  if (response.ok) {
    findings.push(ok('endpoint', `${endpoint} is up and takes spans.`));
  } else if (response.status === 503) {
    findings.push(
      failure(
        'endpoint_not_ready',
        `${endpoint} is up but takes no spans: ${body}`,
        "Look at the server's log; the reason is in the answer above.",
      ),
    );
  } else {
    findings.push(
      failure(
        'endpoint_foreign',
        `${endpoint}/readyz answers ${response.status}: that is no Cogniverse server.`,
        'Name the HTTP port of `cogniverse serve` (6006 by default) with --endpoint.',
      ),
    );
    return findings;
  }
  if (plainHttp || judgeKeyTransport(endpoint, apiKey).length === 0)
    findings.push(...(await checkKey(endpoint, apiKey)));
  const skew = clockSkewMillis(response.headers.get('date') ?? '', sent, received);
  findings.push(
    skew === undefined
      ? ok('clock', "The server's clock and this machine's agree.")
      : warning(
          'clock_skew',
          `The server's clock is ${Math.abs(skew)} ms ${skew > 0 ? 'ahead of' : 'behind'} this machine's: times of spans will not fit together.`,
          'Synchronize both clocks (NTP).',
        ),
  );
  return findings;
}
