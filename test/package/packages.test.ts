/**
 * What is published works outside this repository: packed, installed in an empty project, used from ES modules, from CommonJS and by TypeScript.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const run = promisify(execFile);
const root = resolve(import.meta.dirname, '../..');
const libraries = readdirSync(join(root, 'libs'));
const manifest = (library: string) =>
  JSON.parse(readFileSync(join(root, 'libs', library, 'package.json'), 'utf8')) as {
    name: string;
    exports: Record<string, unknown>;
    bin?: Record<string, string>;
    dependencies?: Record<string, string>;
    scripts?: Record<string, string>;
  };
/** Every import path that the packages offer, for example `@cogniverse/foundation/telemetry`. */
const entryPoints = libraries.flatMap((library) => {
  const { name, exports } = manifest(library);
  return Object.keys(exports)
    .filter((path) => path !== './package.json')
    .map((path) => name + path.slice(1));
});

let project = '';
const tarballs = new Map<string, string>();
const node = async (file: string) => (await run(process.execPath, [file], { cwd: project })).stdout.trim();

beforeAll(async () => {
  project = mkdtempSync(join(tmpdir(), 'cogniverse packages '));
  mkdirSync(join(project, 'tarballs'));
  for (const library of libraries) {
    const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', join(project, 'tarballs')], {
      cwd: join(root, 'libs', library),
    });
    // npm 11 gives an array, later majors an object by name.
    const [packed] = Object.values(JSON.parse(stdout) as Record<string, { filename: string }>);
    tarballs.set(library, join(project, 'tarballs', packed!.filename));
  }
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'consumer', private: true, type: 'module' }));
  const { devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    devDependencies: Record<string, string>;
  };
  // An optional peer, of which the types of an entry point speak.
  const arrow = `apache-arrow@${devDependencies['apache-arrow']}`;
  await run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', ...tarballs.values(), arrow], {
    cwd: project,
  });
}, 240_000);

afterAll(() => rmSync(project, { recursive: true, force: true }));

describe('the packed packages, installed in an empty project', () => {
  it.each(libraries)(
    '%s carries only what it needs: built code, types, manifest, licence and readme',
    async (library) => {
      const { stdout } = await run('tar', ['-tzf', tarballs.get(library)!]);
      const files = stdout
        .trim()
        .split('\n')
        .map((file) => file.replace(/^package\//, ''));
      expect(
        files.filter(
          (file) =>
            !/^(dist\/.+\.(c?js|d\.c?ts|map)|document-search\/speeches\.json|package\.json|README\.md|LICENSE)$/.test(
              file,
            ),
        ),
      ).toEqual([]);
      expect(files).toEqual(expect.arrayContaining(['README.md', 'LICENSE', 'package.json']));
    },
  );

  it('give every entry point to ES modules and to CommonJS alike', async () => {
    const importable = entryPoints.filter((path) => !path.endsWith('/register'));
    writeFileSync(
      join(project, 'esm.mjs'),
      `const names = {};\nfor (const path of ${JSON.stringify(importable)}) names[path] = Object.keys(await import(path)).length;\nconsole.log(JSON.stringify(names));`,
    );
    writeFileSync(
      join(project, 'cjs.cjs'),
      `const names = {};\nfor (const path of ${JSON.stringify(importable)}) names[path] = Object.keys(require(path)).filter((name) => name !== '__esModule' && name !== 'module.exports').length;\nconsole.log(JSON.stringify(names));`,
    );
    const fromEsm = JSON.parse(await node('esm.mjs')) as Record<string, number>;
    expect(Object.keys(fromEsm).sort()).toEqual([...importable].sort());
    expect(Math.min(...Object.values(fromEsm))).toBeGreaterThan(0);
    expect(JSON.parse(await node('cjs.cjs'))).toEqual(fromEsm);
  });

  it('record and read back a span without a server, from CommonJS', async () => {
    writeFileSync(
      join(project, 'use.cjs'),
      `const { createTelemetry } = require('@cogniverse/foundation/telemetry');
const telemetry = createTelemetry({ provider: 'local', providerConfig: { data_dir: './data' } });
(async () => {
  await telemetry.span('search', { tenantId: 'acme', attributes: { top_k: 10 } }, async () => {});
  if (!(await telemetry.forceFlush())) throw new Error('not flushed');
  const provider = await telemetry.getProvider('acme');
  const spans = await provider.traces.getSpans();
  console.log(JSON.stringify(spans.map((span) => [span.name, span.attributes.top_k, span.tenantId])));
  await telemetry.shutdown();
})();`,
    );
    expect(JSON.parse(await node('use.cjs'))).toEqual([['search', 10, 'acme']]);
  });

  it('ask a server with typed functions, of which TypeScript knows requests and answers', async () => {
    const directory = join(project, 'typed-client');
    mkdirSync(directory);
    writeFileSync(
      join(directory, 'client.mts'),
      `import { openRemoteStore } from '@cogniverse/foundation/client';
const server = openRemoteStore({ endpoint: process.argv[2]! });
// @ts-expect-error: there is no such field, so it is refused twice: here, and when the program runs
const refused = await server.createDataset({ tenantId: 'acme', name: 'x', rows: [], nme: 'x' }).catch((error: { code: string }) => error.code);
const dataset = await server.createDataset({ tenantId: 'acme', name: 'questions', rows: [{ input: { query: 'peace' } }] });
const exampleCount: number = dataset.exampleCount;
const [tenant] = await server.listDatasets({ tenantId: 'acme' });
console.log(JSON.stringify([refused, exampleCount, tenant?.name]));
await server.shutdown();`,
    );
    const compilerOptions = {
      strict: true,
      target: 'ES2022',
      lib: ['ES2023', 'ESNext.Disposable'],
      module: 'NodeNext',
    };
    const types = { types: ['node'], typeRoots: [join(root, 'node_modules/@types')] };
    const include = ['client.mts'];
    writeFileSync(
      join(directory, 'tsconfig.json'),
      JSON.stringify({ compilerOptions: { ...compilerOptions, ...types }, include }),
    );
    await run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', directory]).catch(
      (error: { stdout?: string }) => {
        throw new Error(error.stdout);
      },
    );
    const command = join(project, 'node_modules/@cogniverse/cli/dist/cogniverse.cjs');
    const ports = ['--port', '0', '--otlp-port', '0', '--grpc-port', '0'];
    const server = spawn(process.execPath, [command, 'serve', '--json', '--data', join(directory, 'data'), ...ports], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    try {
      const [line] = (await once(createInterface({ input: server.stdout }), 'line')) as [string];
      const { http } = JSON.parse(line) as { http: string };
      const { stdout } = await run(process.execPath, [join(directory, 'client.mjs'), http]);
      expect(JSON.parse(stdout)).toEqual(['invalid_query', 1, 'questions']);
    } finally {
      const ended = once(server, 'close');
      server.kill();
      await ended;
    }
  });

  it('make Arrow tables, from CommonJS too', async () => {
    writeFileSync(
      join(project, 'arrow.cjs'),
      `const { toTable } = require('@cogniverse/foundation/telemetry/arrow');
(async () => {
  const { tableFromIPC, tableToIPC } = await import('apache-arrow');
  const point = { timestamp: '2026-01-31', metricName: 'span_count', value: 3 };
  console.log(tableFromIPC(tableToIPC(await toTable([point]))).getChild('metric_name').get(0));
})();`,
    );
    expect(await node('arrow.cjs')).toBe('span_count');
  });

  it.each(['NodeNext', 'bundler'])('have types that TypeScript resolves (%s)', async (resolution) => {
    const directory = join(project, `types-${resolution}`);
    mkdirSync(directory);
    writeFileSync(
      join(directory, 'use.ts'),
      entryPoints
        .map((path, index) => `import * as m${index} from '${path}';\nexport const n${index} = m${index};`)
        .join('\n'),
    );
    writeFileSync(
      join(directory, 'tsconfig.json'),
      JSON.stringify({
        compilerOptions: {
          strict: true,
          noEmit: true,
          target: 'ES2022',
          lib: ['ES2023', 'ESNext.Disposable'],
          module: resolution === 'bundler' ? 'ESNext' : 'NodeNext',
          moduleResolution: resolution,
          types: ['node'],
          typeRoots: [join(root, 'node_modules/@types')],
          skipLibCheck: false,
        },
        include: ['use.ts'],
      }),
    );
    await run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', directory], {
      cwd: directory,
    }).catch((error: { stdout?: string }) => {
      throw new Error(error.stdout);
    });
  });

  it.each(libraries)(
    '%s passes publint and arethetypeswrong',
    async (library) => {
      const tool = (path: string) => join(root, 'node_modules', path);
      await run(process.execPath, [tool('publint/src/cli.js'), tarballs.get(library)!, '--strict']).catch((error) => {
        throw new Error(error.stdout);
      });
      if (manifest(library).bin) return; // a command has no types to resolve
      // `require` of an ES module works from Node 20.19, so that finding is no fault here.
      const attw = [
        tool('@arethetypeswrong/cli/dist/index.js'),
        tarballs.get(library)!,
        '--profile',
        'node16',
        '--ignore-rules',
        'cjs-resolves-to-esm',
      ];
      await run(process.execPath, [...attw, '--format', 'ascii']).catch((error) => {
        throw new Error(error.stdout);
      });
    },
    60_000,
  );

  it('run no install scripts of ours', () => {
    for (const library of libraries) {
      expect(Object.keys(manifest(library).scripts ?? {})).not.toEqual(
        expect.arrayContaining([expect.stringMatching(/install/)]),
      );
    }
  });

  it('offer the command', async () => {
    const { stdout } = await run(process.execPath, [
      join(project, 'node_modules/@cogniverse/cli/dist/cogniverse.cjs'),
      '--help',
    ]);
    expect(stdout).toMatch(/serve[\s\S]*projects[\s\S]*spans[\s\S]*trace[\s\S]*stats[\s\S]*tail[\s\S]*doctor/);
  });
});
