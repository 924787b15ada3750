/** Which file holds the configuration.   Control path: [location] -> store. */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import type { Environment } from '../telemetry/environment.js';

/**
 * `COGNIVERSE_CONFIG`, whether that file is there or not; else the first that is there of `./.cogniverse/config.json` and
 * `$XDG_CONFIG_HOME/cogniverse/config.json` (without that variable: `~/.config`); if none is there, `./.cogniverse/config.json`, so that what
 * is written first is also what is read next. Absolute, so that a later change of the working directory changes nothing.
 */
export function configLocation(environment: Environment = process.env): string {
  const named = environment['COGNIVERSE_CONFIG']?.trim();
  if (named) return resolve(named);
  const local = resolve('.cogniverse', 'config.json');
  if (existsSync(local)) return local;
  const base = environment['XDG_CONFIG_HOME']?.trim();
  // Its specification: a relative path is invalid, and to be ignored.
  const personal = join(base && isAbsolute(base) ? base : join(homedir(), '.config'), 'cogniverse', 'config.json');
  return existsSync(personal) ? personal : local;
}
