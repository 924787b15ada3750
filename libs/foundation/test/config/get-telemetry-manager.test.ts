/** The process's manager begins with the stored configuration. */
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ConfigFileError, ConfigManager } from '@cogniverse/foundation/config';
import { ConfigurationError, getTelemetryManager, TelemetryManager } from '@cogniverse/foundation/telemetry';
import { afterEach, describe, expect, it } from 'vitest';
import type { TelemetryConfigSource } from '../../dist/telemetry/config-source.js';
import { fileStore, putText, temporaryDirectory } from './config-fixture.js';

const run = promisify(execFile);
afterEach(() => TelemetryManager.reset());

describe('getTelemetryManager()', () => {
  it("makes the process's manager once, from the configuration that is stored", async () => {
    const configManager = new ConfigManager(fileStore());
    await configManager.setTelemetryConfig('default', { serviceName: 'stored', level: 'detailed' });
    await configManager.setTelemetryConfig('acme', { serviceName: 'of-acme' });
    const manager = getTelemetryManager({ configManager, environment: { TELEMETRY_LEVEL: 'verbose' } });
    expect(getTelemetryManager()).toBe(manager);
    expect(new TelemetryManager()).toBe(manager);
    expect(manager.config.serviceName).toBe('stored');
    expect([manager.config.level, manager.config.levelOf('level')]).toEqual(['verbose', 'telemetry_environment']);
  });

  it('takes the configuration of the tenant that it is started for', async () => {
    const configManager = new ConfigManager(fileStore());
    await configManager.setTelemetryConfig('acme', { serviceName: 'of-acme' });
    expect(getTelemetryManager({ configManager, tenantId: 'acme', environment: {} }).config.serviceName).toBe(
      'of-acme',
    );
  });

  it('throws for a damaged file, at the start, and an application may start all the same', () => {
    const store = fileStore();
    putText(store, '{"format": 1, "entr');
    const configManager = new ConfigManager(store);
    expect(() => getTelemetryManager({ configManager, environment: {} })).toThrow(ConfigFileError);
    const manager = new TelemetryManager({ serviceName: 'by-code' }, { environment: {} });
    expect(getTelemetryManager()).toBe(manager);
  });

  it('leaves no manager behind that does not follow its configuration', () => {
    const configManager = new ConfigManager(fileStore());
    let broken = true;
    const source: TelemetryConfigSource = {
      getTelemetryConfig: () => configManager.getTelemetryConfig(),
      telemetryOverrides: () => {
        if (broken) throw new ConfigurationError('The store went away.');
        return configManager.telemetryOverrides();
      },
      subscribe: (listener) => configManager.subscribe(listener),
    };
    const start = () => getTelemetryManager({ configManager: source, environment: {} });
    expect(start).toThrow('The store went away.');
    expect(start).toThrow('The store went away.');
    broken = false;
    expect(start().config.level).toBe('basic');
  });

  it('is not needed for a recording call to go on: with a damaged file it runs its function, and says so once', async () => {
    const directory = temporaryDirectory();
    const file = join(directory, 'config.json');
    writeFileSync(file, '{');
    const program = `import { getTelemetryManager, searchSpan, TelemetryManager, withTelemetry } from ${JSON.stringify(join(import.meta.dirname, '../../dist/telemetry/index.js'))};
      const search = () => searchSpan({ tenantId: 'acme', query: 'q' }, (span) => span.isRecording());
      const results = [search(), search(), withTelemetry('work', { tenantId: () => 'acme' }, () => 42)()];
      try { getTelemetryManager(); } catch (error) { results.push(error.name); }
      const manager = new TelemetryManager({ otlpEndpoint: 'localhost:1', flushOnExit: false });
      results.push(search());
      console.log(JSON.stringify(results));
      await manager.shutdown(0);`; // nobody listens there
    const { stdout, stderr } = await run(process.execPath, ['--input-type=module', '--eval', program], {
      cwd: directory,
      env: { HOME: directory, COGNIVERSE_CONFIG: file },
    });
    expect(JSON.parse(stdout)).toEqual([false, false, 42, 'ConfigFileError', true]);
    expect(stderr.match(/Nothing is recorded until/g)).toHaveLength(1);
    expect(stderr).toContain('is damaged');
  });

  it('without a ConfigManager reads the usual file; that there is none is fine, and none is made', async () => {
    const directory = temporaryDirectory();
    const program = `import { getTelemetryManager } from ${JSON.stringify(join(import.meta.dirname, '../../dist/telemetry/index.js'))};
      import { readdirSync } from 'node:fs';
      const { config } = getTelemetryManager();
      console.log(JSON.stringify([config.serviceName, config.levelOf('serviceName'), readdirSync('.')]));`;
    const options = { cwd: directory, env: { HOME: directory } };
    const start = async () =>
      JSON.parse((await run(process.execPath, ['--input-type=module', '--eval', program], options)).stdout);
    expect(await start()).toEqual(['video-search', 'default', []]);
    mkdirSync(join(directory, '.cogniverse'));
    const file = join(directory, '.cogniverse/config.json');
    await new ConfigManager(fileStore({ path: file })).setTelemetryConfig('default', { serviceName: 'stored' });
    expect(await start()).toEqual(['stored', 'stored', ['.cogniverse']]);
    writeFileSync(file, '');
    await expect(start()).rejects.toMatchObject({ stderr: expect.stringMatching(/ConfigFileError.*is empty/) });
  });
});
