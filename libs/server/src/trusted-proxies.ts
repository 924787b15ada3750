/**
 * What a proxy in front says of the request that it passes on, believed only where the operator trusts the proxy.   HTTP: socket -> [trusted-proxies] -> guard.
 */
import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';

const CIDR = /^([0-9a-fA-F.:]+)\/(\d{1,3})$/;

/** Whether a text is an address with the length of its prefix, such as `10.0.0.0/8` or `fd00::/8`. */
export function isCidr(text: string): boolean {
  const [, address, bits] = CIDR.exec(text) ?? [];
  const family = isIP(address ?? '');
  return family !== 0 && Number(bits) <= (family === 4 ? 32 : 128);
}

export interface Forwarded {
  /** Address of the client, the nearest that is no trusted proxy. */
  readonly client: string;
  readonly encrypted: boolean;
  /** Undefined: as the request's own Host header says. */
  readonly host: string | undefined;
}

export class TrustedProxies {
  readonly #trusted = new BlockList();

  /** Each passes `isCidr`. */
  constructor(cidrs: readonly string[]) {
    for (const cidr of cidrs) {
      const [, address, bits] = CIDR.exec(cidr)!;
      this.#trusted.addSubnet(address!, Number(bits), isIP(address!) === 4 ? 'ipv4' : 'ipv6');
    }
  }

  of(request: IncomingMessage): Forwarded {
    const peer = plain(request.socket.remoteAddress ?? '');
    const direct = { client: peer, encrypted: 'encrypted' in request.socket, host: undefined };
    if (!this.#trusts(peer)) return direct;
    const proto = lastOf(request.headers['x-forwarded-proto']);
    // From the right: each proxy appends whom it got the request from. What stands left of the first stranger, the stranger may have made up.
    const hops = listOf(request.headers['x-forwarded-for']).map(plain);
    const stranger = hops.findLast((hop) => !this.#trusts(hop));
    return {
      client: stranger !== undefined && isIP(stranger) !== 0 ? stranger : peer,
      encrypted: proto === undefined ? direct.encrypted : proto.toLowerCase() === 'https',
      host: lastOf(request.headers['x-forwarded-host']),
    };
  }

  #trusts(address: string): boolean {
    const family = isIP(address);
    return family !== 0 && this.#trusted.check(address, family === 4 ? 'ipv4' : 'ipv6');
  }
}

/** An IPv4 address that a socket for both families shows as IPv6. */
function plain(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, '');
}

function listOf(header: string | string[] | undefined): string[] {
  return [header ?? []]
    .flat()
    .flatMap((text) => text.split(',').map((part) => part.trim()))
    .filter((part) => part !== '');
}

function lastOf(header: string | string[] | undefined): string | undefined {
  return listOf(header).at(-1);
}
