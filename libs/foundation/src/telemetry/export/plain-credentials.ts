/**
 * Credentials leave this machine encrypted, unless plain HTTP was asked for in so many words.   Control path: configuration -> [plain-credentials].
 */
import { ConfigurationError } from '../errors.js';

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/i;
const CREDENTIAL = /auth|key|token|secret|cookie|credential|password|session/i;

/** `remedy` says how plain HTTP is asked for. Errors: `ConfigurationError` naming host and header, never a value. */
export function requireEncryptedCredentials(
  url: URL,
  headerNames: readonly string[],
  { asked, remedy }: { asked: boolean; remedy: string },
): void {
  if (asked || url.protocol !== 'http:' || LOOPBACK.test(url.hostname)) return;
  const name = headerNames.find((header) => CREDENTIAL.test(header));
  if (name === undefined) return;
  throw new ConfigurationError(
    `The header "${name}" would go to ${url.host} over plain HTTP, where everybody on the way can read it. Use https://, or ${remedy}.`,
  );
}
