/** Node, and whether the packages of this product are of one release. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { type Finding, failure, ok, warning } from './finding.js';

const OLDEST_NODE = [20, 19] as const;
const PACKAGES = ['@cogniverse/foundation', '@cogniverse/server', '@cogniverse/telemetry-local'];

export function checkNodeVersion(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1]))
    return ok('node', `Node ${version} is supported.`);
  return failure(
    'node_too_old',
    `Node ${version} is too old.`,
    `Install Node ${OLDEST_NODE.join('.')} or newer from https://nodejs.org.`,
  );
}

export function checkPackages(ownVersion: string): Finding {
  const require = createRequire(import.meta.url);
  const different = PACKAGES.flatMap((name) => {
    const { version } = JSON.parse(readFileSync(require.resolve(`${name}/package.json`), 'utf8')) as {
      version: string;
    };
    return version === ownVersion ? [] : [`${name} ${version}`];
  });
  if (different.length === 0) return ok('versions', `All packages are of release ${ownVersion}.`);
  return warning(
    'versions_differ',
    `@cogniverse/cli is ${ownVersion}, but ${different.join(', ')}.`,
    `Install all of them in one version: npm install ${PACKAGES.map((name) => `${name}@${ownVersion}`).join(' ')}`,
  );
}
