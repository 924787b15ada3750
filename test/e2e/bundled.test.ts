/** Applications bundled with esbuild: they have no dependencies that a registry could look at, and register their provider by hand. */
import { execFile } from 'node:child_process';
import { mkdtempSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { serve } from './serve.js';

let deployed: string;
beforeEach(() => {
  deployed = realpathSync(mkdtempSync(join(tmpdir(), 'cogniverse-bundled-')));
});
afterEach(() => rmSync(deployed, { recursive: true, force: true }));

async function bundle(source: string): Promise<void> {
  const sources = mkdtempSync(resolve(import.meta.dirname, '../../.cache/bundled-'));
  writeFileSync(join(sources, 'app.mjs'), source);
  await build({
    entryPoints: [join(sources, 'app.mjs')],
    outdir: deployed,
    bundle: true,
    platform: 'node',
    format: 'esm',
    logLevel: 'silent',
    // Dependencies in CommonJS require modules of Node's.
    banner: {
      js: "import { createRequire as requireOf } from 'node:module'; const require = requireOf(import.meta.url);",
    },
  });
  rmSync(sources, { recursive: true });
  writeFileSync(join(deployed, 'package.json'), '{ "type": "module" }');
}

async function run(file = 'app.js'): Promise<string[]> {
  const { stdout } = await promisify(execFile)(process.execPath, [file], { cwd: deployed, timeout: 30_000 });
  return stdout.trim().split('\n');
}

const application = (providerConfig: object) => `
  import { createTelemetry, registry } from '@cogniverse/foundation/telemetry';
  import { LocalProvider } from '@cogniverse/telemetry-local';
  registry.register('local', LocalProvider);
  const telemetry = createTelemetry({ provider: 'local', providerConfig: ${JSON.stringify(providerConfig)} });
  telemetry.span('search', { tenantId: 'acme' }, () => undefined);
  console.log(await telemetry.forceFlush());
  const provider = await telemetry.getProvider('acme');
  console.log((await provider.traces.getSpans()).map(({ name, tenantId }) => name + ' of ' + tenantId).join());
  await telemetry.shutdown();`;

describe('an application bundled into one file', () => {
  it('registers its provider by hand, records a span and reads it from a server', async () => {
    const server = await serve(join(deployed, 'data'));
    try {
      await bundle(application({ endpoint: server.http }));
      expect(await run()).toEqual(['true', 'search of acme']);
    } finally {
      await server.stop();
    }
  });

  it('is told to register a provider where it did not', async () => {
    await bundle(`
      import { registry } from '@cogniverse/foundation/telemetry';
      try { registry.resolveName(null); } catch (error) { console.log(error.message); }
      await registry.create('local').catch((error) => console.log(error.message));`);
    const remedy =
      "Install a provider's package as a dependency of the application; a bundled application registers its provider by hand: registry.register(name, factory).";
    const found = (where: string) => [
      `No telemetry provider found. Looked for "cogniverse"."telemetry.providers" in ${where}. ${remedy}`,
      `No telemetry provider named "local". There is: none. Looked for "cogniverse"."telemetry.providers" in ${where}. ${remedy}`,
    ];
    expect(await run()).toEqual(found(`the 0 direct dependencies of ${deployed}/package.json`));
    rmSync(join(deployed, 'package.json'));
    renameSync(join(deployed, 'app.js'), join(deployed, 'app.mjs'));
    expect(await run('app.mjs')).toEqual(found(`package.json at ${deployed} and above: there is none`));
  });
});
