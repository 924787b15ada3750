/** The application in the working directory: is its instrumentation loaded in time, and is there one OpenTelemetry API? */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { type Finding, ok, warning } from './finding.js';

const REGISTER = '@cogniverse/foundation/register';

interface Manifest {
  readonly name?: string;
  readonly type?: string;
  readonly scripts?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
}

function readManifest(path: string): Manifest | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Manifest;
  } catch {
    return undefined; // not there, or not ours to judge: npm itself says what is wrong with a manifest
  }
}

/** Version of the OpenTelemetry API that a module in `directory` gets; undefined if it gets none. */
function apiVersion(directory: string): string | undefined {
  try {
    const entry = createRequire(join(directory, 'package.json')).resolve('@opentelemetry/api');
    const root = entry.slice(
      0,
      entry.lastIndexOf(join('@opentelemetry', 'api')) + join('@opentelemetry', 'api').length,
    );
    return readManifestVersion(join(root, 'package.json'));
  } catch {
    return undefined; // not installed there
  }
}

function readManifestVersion(path: string): string | undefined {
  return (readManifest(path) as { version?: string } | undefined)?.version;
}

/**
 * Instrumentation of static imports of an ES module works only if its hook is there before the first of them: `node --import`.
 */
export function checkApplication(directory: string, env: NodeJS.ProcessEnv): Finding[] {
  const file = join(directory, 'package.json');
  const manifest = existsSync(file) ? readManifest(file) : undefined;
  if (manifest === undefined) return [ok('instrumentation', 'No application in this directory: nothing to check.')];
  const findings: Finding[] = [];
  const instrumented = Object.keys(manifest.dependencies ?? {}).filter((name) =>
    /^@opentelemetry\/(?:instrumentation-|auto-instrumentations)/.test(name),
  );
  const starts = [env['NODE_OPTIONS'] ?? '', ...Object.values(manifest.scripts ?? {})];
  const registered = starts.some((text) => text.includes(REGISTER));
  if (instrumented.length > 0 && manifest.type === 'module' && !registered) {
    findings.push(
      warning(
        'instrumentation_too_late',
        `${manifest.name ?? directory} is made of ES modules and uses ${instrumented.join(', ')}, but no script and no NODE_OPTIONS loads ${REGISTER} first: what is imported before it stays without spans.`,
        `Start it with: node --import ${REGISTER} your-app.js`,
      ),
    );
  } else {
    findings.push(
      ok(
        'instrumentation',
        instrumented.length === 0
          ? 'No instrumentation package is used here.'
          : 'Instrumentation is loaded before the application.',
      ),
    );
  }
  const applicationApi = apiVersion(directory);
  const ownApi = apiVersion(import.meta.dirname);
  if (applicationApi !== undefined && ownApi !== undefined && applicationApi.split('.')[0] !== ownApi.split('.')[0]) {
    findings.push(
      warning(
        'two_opentelemetry_apis',
        `The application uses @opentelemetry/api ${applicationApi}, this package ${ownApi}: spans of one are invisible to the other.`,
        'Install the same major version of @opentelemetry/api once: npm ls @opentelemetry/api shows who asks for what.',
      ),
    );
  }
  return findings;
}
