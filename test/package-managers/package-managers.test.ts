/**
 * The registry finds the providers that an application depends on, in the layouts of npm, pnpm and yarn: each made by the package manager itself, of
 * packed packages, outside of this repository.
 *
 * The package managers and what they download are kept under `.cache/`. They use the registry that npm is configured for.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const cache = join(root, '.cache/package-managers');
const locked = ['package.json', 'package-lock.json'].map((name) => join(import.meta.dirname, name));
const key = createHash('sha256')
  .update(Buffer.concat(locked.map((file) => readFileSync(file))))
  .digest('hex');
const tools = join(cache, `tools-${key.slice(0, 12)}`);
const pnpm = [process.execPath, join(tools, 'node_modules/pnpm/bin/pnpm.cjs')];
const yarnClassic = [process.execPath, join(tools, 'node_modules/yarn/bin/yarn.js')];
const yarnBerry = [process.execPath, join(tools, 'node_modules/@yarnpkg/cli-dist/bin/yarn.js')];

const directory = realpathSync(mkdtempSync(join(tmpdir(), 'cogniverse-layouts-')));
let env: NodeJS.ProcessEnv = {};
let dependencies: Record<string, string> = {};

async function run(command: readonly string[], cwd: string): Promise<string> {
  const [file, ...args] = command as [string, ...string[]];
  return promisify(execFile)(file, args, { cwd, env, timeout: 120_000 }).then(
    ({ stdout }) => stdout.trim(),
    (error: { message: string; stdout: string; stderr: string }) => {
      throw new Error(`${command.join(' ')}: ${error.message}\n${error.stdout}\n${error.stderr}`);
    },
  );
}

beforeAll(async () => {
  // What npm hands to its scripts would override the settings below.
  const inherited = Object.entries(process.env).filter(([name]) => !/^(npm_|YARN_|VITEST|NODE_OPTIONS$)/.test(name));
  env = { ...Object.fromEntries(inherited), CI: 'true', NO_COLOR: '1' };
  const setting = async (name: string) => {
    const value = await run(['npm', 'config', 'get', name], directory);
    return value === 'null' || value === 'undefined' ? undefined : value;
  };
  const address = (await setting('registry'))!;
  const authorities = await setting('cafile');
  Object.assign(env, {
    npm_config_registry: address,
    npm_config_store_dir: join(cache, 'pnpm-store'),
    npm_config_prefer_offline: 'true',
    YARN_REGISTRY: address,
    YARN_CACHE_FOLDER: join(cache, 'yarn-classic'),
    YARN_NPM_REGISTRY_SERVER: address,
    YARN_UNSAFE_HTTP_WHITELIST: new URL(address).hostname,
    YARN_GLOBAL_FOLDER: join(cache, 'yarn-berry'),
    YARN_ENABLE_TELEMETRY: 'false',
    YARN_ENABLE_IMMUTABLE_INSTALLS: 'false',
    YARN_NPM_MINIMAL_AGE_GATE: '0',
    ...(authorities === undefined ? {} : { npm_config_cafile: authorities, YARN_HTTPS_CA_FILE_PATH: authorities }),
  });
  if (!existsSync(join(tools, 'complete'))) {
    mkdirSync(tools, { recursive: true });
    for (const file of locked) cpSync(file, join(tools, file.slice(import.meta.dirname.length)));
    await run(['npm', 'ci', '--ignore-scripts', '--no-audit', '--no-fund'], tools);
    writeFileSync(join(tools, 'complete'), '');
  }
  const { devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    devDependencies: Record<string, string>;
  };
  dependencies = { '@opentelemetry/api': devDependencies['@opentelemetry/api']! };
  for (const source of ['libs/foundation', ...['memory-provider', 'recent-provider'].map(fixture)]) {
    const packed = await run(['npm', 'pack', '--json', '--pack-destination', directory], join(root, source));
    // npm 11 gives an array, later majors an object by name.
    const [{ name, filename }] = Object.values(JSON.parse(packed)) as [{ name: string; filename: string }];
    dependencies[name] = `file:${join(directory, filename)}`;
  }
}, 240_000);
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function fixture(name: string): string {
  return join('test/package-managers/fixtures', name);
}

/** An application that depends on the providers, in a folder of its own. */
function application(folder: string): string {
  const target = join(directory, folder);
  cpSync(join(root, fixture('application')), target, { recursive: true });
  writeJson(join(target, 'package.json'), { name: 'application', version: '1.0.0', private: true, dependencies });
  return target;
}

function writeJson(file: string, content: object): void {
  writeFileSync(file, JSON.stringify(content));
}

const node = (...args: string[]) => [process.execPath, ...args];

async function expectToFindProviders(command: readonly string[], app: string): Promise<void> {
  // The directory that a process starts in says nothing of its application.
  expect(JSON.parse(await run(command, directory))).toEqual({
    spans: { memory: ['through memory'], recent: ['through recent'] },
    unknown: `No telemetry provider named "unknown". There is: memory (@fixtures/memory-provider), recent (fixture-recent-provider). Looked for "cogniverse"."telemetry.providers" in the 4 direct dependencies of ${app}/package.json. Install a provider's package as a dependency of the application; a bundled application registers its provider by hand: registry.register(name, factory).`,
    arrow:
      'arrow_not_installed: toTable() needs the package "apache-arrow", which could not be loaded. Install it in the application: npm install apache-arrow',
  });
}

describe('the registry finds providers', { timeout: 120_000 }, () => {
  it('in the layout of npm', async () => {
    const app = application('npm');
    await run(['npm', 'install', '--no-audit', '--no-fund'], app);
    await expectToFindProviders(node(join(app, 'main.mjs')), app);
  });

  it('in a workspace of npm, where packages are hoisted to its root', async () => {
    const workspace = join(directory, 'npm-workspace');
    const app = application('npm-workspace/apps/web');
    writeJson(join(workspace, 'package.json'), { name: 'workspace', private: true, workspaces: ['apps/*'] });
    await run(['npm', 'install', '--no-audit', '--no-fund'], workspace);
    expect(existsSync(join(app, 'node_modules/@fixtures'))).toBe(false);
    await expectToFindProviders(node(join(app, 'main.mjs')), app);
  });

  it('in the layout of pnpm, where packages are links into a store', async () => {
    const app = application('pnpm');
    await run([...pnpm, 'install'], app);
    expect(existsSync(join(app, 'node_modules/.pnpm'))).toBe(true);
    expect(existsSync(join(app, 'node_modules/zod'))).toBe(false);
    await expectToFindProviders(node(join(app, 'main.mjs')), app);
  });

  it('in a workspace of pnpm', async () => {
    const workspace = join(directory, 'pnpm-workspace');
    const app = application('pnpm-workspace/apps/web');
    writeFileSync(join(workspace, 'pnpm-workspace.yaml'), 'packages: ["apps/*"]\n');
    writeJson(join(workspace, 'package.json'), { name: 'workspace', private: true });
    await run([...pnpm, 'install'], workspace);
    expect(existsSync(join(workspace, 'node_modules/@fixtures'))).toBe(false);
    await expectToFindProviders(node(join(app, 'main.mjs')), app);
  });

  it('in the layout of yarn 1', async () => {
    const app = application('yarn-classic');
    await run([...yarnClassic, 'install', '--non-interactive', '--prefer-offline'], app);
    await expectToFindProviders(node(join(app, 'main.mjs')), app);
  });

  describe('of yarn 4', () => {
    async function install(folder: string, nodeLinker: 'node-modules' | 'pnp'): Promise<string> {
      const app = application(folder);
      writeFileSync(join(app, 'yarn.lock'), '');
      writeFileSync(join(app, '.yarnrc.yml'), `nodeLinker: ${nodeLinker}\n`);
      await run([...yarnBerry, 'install'], app);
      return app;
    }

    it('with node_modules', async () => {
      const app = await install('yarn-node-modules', 'node-modules');
      await expectToFindProviders(node(join(app, 'main.mjs')), app);
    });

    it("with Plug'n'Play, where packages are archives and there is no node_modules", async () => {
      const app = await install('yarn-pnp', 'pnp');
      expect(existsSync(join(app, 'node_modules'))).toBe(false);
      const hooks = ['--require', join(app, '.pnp.cjs'), '--experimental-loader', join(app, '.pnp.loader.mjs')];
      await expectToFindProviders(node(...hooks, join(app, 'main.mjs')), app);
      expect(await run([...yarnBerry, 'node', 'main.mjs'], app)).toContain('"memory":["through memory"]');
    });
  });
});
