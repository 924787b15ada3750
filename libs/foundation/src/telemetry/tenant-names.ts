/** Which tenant ids and project names can be used, and what they become.   Control path: manager, router, registry. */
import type { TelemetryConfig } from './config.js';
import { InvalidNameError } from './errors.js';

/** Letters, digits and `_ . @ : + -`, beginning and ending with a letter, digit or `_`: nothing that a URL or a path reads as its own. */
const NAME = /^[A-Za-z0-9_](?:[A-Za-z0-9_.@:+-]{0,126}[A-Za-z0-9_])?$/;
export const ALLOWED =
  '1 to 128 letters, digits and any of _ . @ : + -, beginning and ending with a letter, digit or _';
const MAX_FULL_NAME = 400;

export function isUsableName(name: unknown): name is string {
  return typeof name === 'string' && NAME.test(name);
}

/** Errors: `InvalidNameError`. */
export function requireName(kind: 'Tenant id' | 'Project name', name: unknown): asserts name is string {
  if (!isUsableName(name)) throw new InvalidNameError(refusal(kind, name));
}

/** Why a name cannot be used, for a log line or an error. */
export function refusal(kind: 'Tenant id' | 'Project name', name: unknown): string {
  const shown = typeof name === 'string' ? JSON.stringify(name.slice(0, 200)) : `of type ${typeof name}`;
  return `${kind} ${shown} cannot be used: allowed are ${ALLOWED}.`;
}

/**
 * Full name of a project from its suffix; a value that is a full name of this tenant already is taken as it is. Undefined: the project of
 * the tenant's own service.
 */
export function fullProjectName(config: TelemetryConfig, tenantId: string, projectName: string | undefined): string {
  if (projectName === undefined) return config.getProjectName(tenantId);
  if (projectName === config.getTenantProjectName(tenantId)) return projectName;
  const [before, after] = config.getProjectName(tenantId, '\0').split('\0') as [string, string];
  const isFull =
    projectName.length > before.length + after.length && projectName.startsWith(before) && projectName.endsWith(after);
  return isFull ? projectName : config.getProjectName(tenantId, projectName);
}

export function isUsableFullName(name: string): boolean {
  return name.length <= MAX_FULL_NAME;
}
