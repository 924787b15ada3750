/** Which application's dependencies the registry looks at, however Node was started. */
import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const telemetry = import.meta.resolve('@cogniverse/foundation/telemetry');
const PROVIDER =
  'export class Provider { name = "one"; initialize() {} configureSpanExport() {} sessionContext(_, fn) { return fn(); } async shutdown() {} }';
const NAMES = `import { registry } from '${telemetry}'; console.log(JSON.stringify(registry.names()));`;
const NAMES_CJS = `import('${telemetry}').then(({ registry }) => console.log(JSON.stringify(registry.names())));`;

let root: string;
let app: string;
let elsewhere: string;

async function file(name: string, content: string | object): Promise<string> {
  const target = path.resolve(root, name);
  await mkdir(path.dirname(target), { recursive: true });
  await writeFile(target, typeof content === 'string' ? content : JSON.stringify(content));
  return target;
}

async function installProvider(directory: string, packageName: string, name: string): Promise<void> {
  await file(`${directory}/node_modules/${packageName}/package.json`, {
    name: packageName,
    type: 'module',
    cogniverse: { 'telemetry.providers': { [name]: './provider.js#Provider' } },
  });
  await file(`${directory}/node_modules/${packageName}/provider.js`, PROVIDER);
}

async function node(args: string[], cwd: string, stdin?: string): Promise<string> {
  const running = promisify(execFile)(process.execPath, args, { cwd });
  running.child.stdin!.end(stdin ?? '');
  return (await running).stdout.trim();
}

/** The application is in `app`, the processes start in `elsewhere`, which has another provider. */
beforeEach(async () => {
  root = await realpath(await mkdtemp(path.join(tmpdir(), 'cogniverse-application-')));
  app = path.join(root, 'app');
  elsewhere = path.join(root, 'elsewhere');
  await file('app/package.json', { name: 'app', main: 'main.mjs', dependencies: { provider: '1' } });
  await installProvider('app', 'provider', 'one');
  await file('elsewhere/package.json', { name: 'elsewhere', dependencies: { 'other-provider': '1' } });
  await installProvider('elsewhere', 'other-provider', 'other');
});
afterEach(() => rm(root, { recursive: true, force: true }));

describe('the running application', () => {
  it('is that of the script, wherever the process was started', async () => {
    const script = await file('app/src/deep/main.mjs', NAMES);
    expect(await node([script], elsewhere)).toBe('["one"]');
    expect(await node(['../app/src/deep/main.mjs'], elsewhere)).toBe('["one"]');
  });

  it('is that of the script where its name is a directory, or lacks its extension', async () => {
    await file('app/package.json', { name: 'app', main: 'main.js', dependencies: { provider: '1' } });
    await file('app/main.js', NAMES_CJS);
    expect(await node(['.'], app)).toBe('["one"]');
    expect(await node(['../app'], elsewhere)).toBe('["one"]');
    expect(await node(['../app/main'], elsewhere)).toBe('["one"]');
  });

  it('is that of the working directory for code from the command line, even beside an argument that is a file', async () => {
    const argument = await file('app/data.json', '{}');
    expect(await node(['--input-type=module', '-e', NAMES, argument], elsewhere)).toBe('["other"]');
    expect(await node([`--eval=${NAMES_CJS}`, argument], elsewhere)).toBe('["other"]');
    expect(await node(['--input-type=module', '-', argument], elsewhere, NAMES)).toBe('["other"]');
    expect(await node(['--interactive'], elsewhere, `await ${NAMES_CJS}\n`)).toContain('["other"]');
  });

  it('is that of the worker in a worker thread, and of the working directory for a worker from text', async () => {
    const worker = await file('app/worker.mjs', NAMES);
    const script = await file(
      'app/main.mjs',
      `import { Worker } from 'node:worker_threads'; new Worker(new URL(${JSON.stringify(`file://${worker}`)}));`,
    );
    expect(await node([script], elsewhere)).toBe('["one"]');
    expect(await node(['-e', `new (require('worker_threads').Worker)(${JSON.stringify(worker)})`], elsewhere)).toBe(
      '["one"]',
    );
    const text = await file(
      'app/text.mjs',
      `import { Worker } from 'node:worker_threads'; new Worker(${JSON.stringify(NAMES_CJS)}, { eval: true });`,
    );
    expect(await node([text], elsewhere)).toBe('["other"]');
  });

  it('is that of the working directory under an installed tool, also one that is linked', async () => {
    const tool = await file('store/node_modules/.pnpm/tool@1.0.0/node_modules/tool/cli.mjs', NAMES);
    await chmod(tool, 0o755);
    await mkdir(path.join(app, 'node_modules/.bin'), { recursive: true });
    const bin = path.join(app, 'node_modules/.bin/tool');
    await symlink(tool, bin);
    expect(await node([bin], elsewhere)).toBe('["other"]');
  });

  it("is a workspace's member, not its root", async () => {
    await file('package.json', { name: 'root', workspaces: ['app'], dependencies: { 'of-the-root': '1' } });
    await installProvider('.', 'of-the-root', 'root');
    expect(await node([await file('app/main.mjs', NAMES)], root)).toBe('["one"]');
  });

  it('may install a missing file, or repair a package, while it runs', async () => {
    const target = path.join(app, 'node_modules/provider/provider.js');
    const script = await file(
      'app/main.mjs',
      `import { rmSync, writeFileSync } from 'node:fs';
       import { registry } from '${telemetry}';
       rmSync(${JSON.stringify(target)});
       const first = await registry.create('one').catch((error) => error.code);
       writeFileSync(${JSON.stringify(target)}, ${JSON.stringify(PROVIDER)});
       console.log(first, (await registry.create('one')).name);`,
    );
    expect(await node([script], elsewhere)).toBe('provider_load one');
  });
});
