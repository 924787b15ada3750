/** Configuration per tenant and scope, in versions. */
import { type ConfigConflictError, ConfigManager } from '@cogniverse/foundation/config';
import {
  ConfigurationError,
  InvalidNameError,
  type OptionPath,
  TelemetryConfig,
  withEnvironment,
} from '@cogniverse/foundation/telemetry';
import { describe, expect, it } from 'vitest';
import { fileStore, putText, textOf } from './config-fixture.js';

function manager() {
  return new ConfigManager(fileStore());
}

describe('ConfigManager', () => {
  it('gives defaults, then what is stored for all tenants, then what is stored for the tenant, all at the level "stored"', async () => {
    const configs = manager();
    expect(configs.getTelemetryConfig('acme')).toEqual(new TelemetryConfig());
    await configs.setTelemetryConfig('default', {
      level: 'detailed',
      serviceName: 'shared',
      batchConfig: { maxQueueSize: 10, maxExportBatchSize: 5 },
    });
    await configs.setTelemetryConfig('acme', { level: 'verbose', batchConfig: { maxQueueSize: 20 } });
    const acme = configs.getTelemetryConfig('acme');
    expect(acme).toMatchObject({ level: 'verbose', serviceName: 'shared', environment: 'development' });
    expect(acme.batchConfig).toMatchObject({ maxQueueSize: 20, maxExportBatchSize: 5 });
    expect(configs.getTelemetryConfig()).toMatchObject({ level: 'detailed', batchConfig: { maxQueueSize: 10 } });
    expect(configs.getTelemetryConfig('other').level).toBe('detailed');
    const levels = [
      'level',
      'serviceName',
      'batchConfig.maxQueueSize',
      'batchConfig.maxExportBatchSize',
      'environment',
    ];
    expect(levels.map((path) => acme.levelOf(path as OptionPath))).toEqual([
      'stored',
      'stored',
      'stored',
      'stored',
      'default',
    ]);
  });

  it('stores only what was set, in the snake_case form, and nothing of the environment', async () => {
    const configs = manager();
    const config = withEnvironment(new TelemetryConfig({ enabled: true, spool: { directory: 'd', maxBytes: 5 } }), {
      TELEMETRY_LEVEL: 'verbose',
    }).with({ batchConfig: { maxQueueSize: 7 } });
    expect(await configs.setTelemetryConfig('acme', config)).toBe(1);
    const [entry] = configs.getHistory('acme');
    expect(entry).toMatchObject({ scope: 'telemetry', service: 'telemetry', key: 'telemetry_config', version: 1 });
    expect(entry!.value).toEqual({
      enabled: true, // the default's value, but set
      spool: { directory: 'd', max_bytes: 5 },
      batch_config: { max_queue_size: 7 },
    });
    expect(configs.getTelemetryConfig('acme').toDict()).toEqual(config.toDict());
  });

  it('keeps keys that it does not know, and takes what a Python Cogniverse stored whole', async () => {
    const configs = manager();
    const python = { ...new TelemetryConfig({ level: 'detailed' }).toDict(), phoenix_only: { a: [1] } };
    await configs.setTelemetryConfig('acme', TelemetryConfig.fromDict(python));
    const config = configs.getTelemetryConfig('acme');
    expect(config.unknownKeys).toEqual(['phoenix_only']);
    await configs.setTelemetryConfig('acme', config.with({ level: 'verbose' }));
    expect(configs.getConfig('acme', 'telemetry', 'telemetry_config')).toEqual({ ...python, level: 'verbose' });
  });

  it('does not make the options of all tenants a tenant’s own when its configuration is read, changed and stored', async () => {
    const configs = manager();
    await configs.setTelemetryConfig('default', {
      serviceName: 'shared',
      level: 'basic',
      batchConfig: { maxQueueSize: 9 },
    });
    await configs.setTelemetryConfig('acme', { environment: 'staging', level: 'basic' });
    const changed = configs.getTelemetryConfig('acme').with({ batchConfig: { useSyncExport: true } });
    await configs.setTelemetryConfig('acme', changed);
    expect(configs.getConfig('acme', 'telemetry', 'telemetry_config')).toEqual({
      environment: 'staging',
      level: 'basic', // its own before
      batch_config: { use_sync_export: true },
    });
    await configs.setTelemetryConfig('default', { serviceName: 'renamed' });
    expect(configs.getTelemetryConfig('acme')).toMatchObject({ serviceName: 'renamed', level: 'basic' });
  });

  it('refuses what a manager could not use, before anything is stored', async () => {
    const configs = manager();
    await expect(configs.setTelemetryConfig('acme', { level: 'loud' as never })).rejects.toThrow(/level = "loud"/);
    await expect(configs.setTelemetryConfig('acme', { otlpEndpoint: 'ftp://x' })).rejects.toThrow(/otlpEndpoint/);
    await configs.setTelemetryConfig('default', { otlpUseTls: true });
    // Each is fine alone.
    await expect(configs.setTelemetryConfig('acme', { otlpEndpoint: 'http://x:4318' })).rejects.toThrow(/otlpUseTls/);
    await expect(configs.setTelemetryConfig('a b', {})).rejects.toThrow(InvalidNameError);
    expect(configs.getHistory('acme')).toEqual([]);
    expect(() => configs.getTelemetryConfig('a/b')).toThrow(InvalidNameError);
  });

  it('names the tenant of a stored value that cannot be used, and shows no header', () => {
    const configs = manager();
    const entry = (value: object) => ({
      format: 1,
      entries: [
        {
          tenant_id: 'acme',
          scope: 'telemetry',
          service: 'telemetry',
          config_key: 'telemetry_config',
          version: 1,
          created_at: 'then',
          updated_at: 'then',
          config_value: value,
        },
      ],
    });
    const file = configs.store as ReturnType<typeof fileStore>;
    putText(file, JSON.stringify(entry({ max_cached_tenants: 'many' })));
    expect(() => configs.getTelemetryConfig('acme')).toThrow(/maxCachedTenants = "many".*tenant "acme"/);
    putText(file, JSON.stringify(entry({ otlp_headers: 'Bearer hunter2' })));
    expect(() => configs.getTelemetryConfig('acme')).toThrow(/otlpHeaders = "\(not shown\)"/);
    expect(() => configs.getTelemetryConfig('acme')).toThrow(ConfigurationError);
    expect(configs.getTelemetryConfig('other').level).toBe('basic');
  });

  it('restores an earlier version as a new one', async () => {
    const configs = manager();
    for (const level of ['basic', 'detailed', 'verbose'] as const) await configs.setTelemetryConfig('acme', { level });
    expect(await configs.restore('acme', 'telemetry', 1)).toBe(4);
    expect(configs.getTelemetryConfig('acme').level).toBe('basic');
    expect(configs.getHistory('acme', 'telemetry', { limit: 2 }).map(({ version }) => version)).toEqual([4, 3]);
    await expect(configs.restore('acme', 'telemetry', 9)).rejects.toThrow(/no version 9.*Kept are: 4, 3, 2, 1/);
    await configs.deleteConfig('acme', 'telemetry', 'telemetry_config');
    expect(configs.getTelemetryConfig('acme')).toEqual(new TelemetryConfig());
    expect(await configs.restore('acme', 'telemetry', 3)).toBe(6);
    expect(configs.getTelemetryConfig('acme').level).toBe('verbose');
  });

  it('keeps any other scope: system, agent, whatever an application names', async () => {
    const configs = manager();
    expect(await configs.setConfig('acme', 'agent', 'routing', { model: 'small' })).toBe(1);
    expect(await configs.setConfig('acme', 'agent', 'routing', { model: 'large' })).toBe(2);
    await configs.setConfig('acme', 'agent', 'routing', 'of another service', { service: 'search' });
    await configs.setConfig('default', 'system', 'backend', { url: 'http://vespa:8080' });
    expect(configs.getConfig('acme', 'agent', 'routing')).toEqual({ model: 'large' });
    expect(configs.getConfig('acme', 'agent', 'routing', { version: 1 })).toEqual({ model: 'small' });
    expect(configs.getConfig('acme', 'agent', 'routing', { service: 'search' })).toBe('of another service');
    expect(configs.getConfig('other', 'agent', 'routing')).toBeUndefined();
    expect(configs.getHistory('acme', 'agent', { key: 'routing' }).map(({ version }) => version)).toEqual([2, 1]);
    expect(await configs.restore('acme', 'agent', 1, { key: 'routing' })).toBe(3);
    expect(configs.listConfigs({ tenantId: 'acme' }).map(({ service, key }) => [service, key])).toEqual([
      ['agent', 'routing'],
      ['search', 'routing'],
    ]);
    expect(() => configs.getHistory('acme', 'agent')).toThrow(/name one/);
    expect(await configs.deleteConfig('acme', 'agent', 'routing')).toBe(true);
    expect(configs.getConfig('acme', 'agent', 'routing')).toBeUndefined();
  });

  it('loses no change of two who change one value at once', async () => {
    const configs = manager();
    const second = new ConfigManager(fileStore({ path: (configs.store as ReturnType<typeof fileStore>).path }));
    const add = (to: ConfigManager, item: string) =>
      to.updateConfig('acme', 'agent', 'list', (current) => [...((current as string[] | undefined) ?? []), item]);
    await Promise.all(Array.from({ length: 10 }, (_, i) => [add(configs, `a${i}`), add(second, `b${i}`)]).flat());
    expect((configs.getConfig('acme', 'agent', 'list') as string[]).toSorted()).toHaveLength(20);
    await expect(configs.setConfig('acme', 'agent', 'list', [], { expectedVersion: 1 })).rejects.toMatchObject({
      expectedVersion: 1,
      version: 20,
    } satisfies Partial<ConfigConflictError>);
    await configs.deleteConfig('acme', 'agent', 'list');
    await add(configs, 'anew');
    expect(configs.getConfig('acme', 'agent', 'list')).toEqual(['anew']);
  });

  it('tells who subscribed of every change, until they end it', async () => {
    const configs = manager();
    const events: string[] = [];
    const end = configs.subscribe(({ type }) => events.push(type));
    await configs.setConfig('acme', 'agent', 'a', 1);
    await configs.setConfig('acme', 'agent', 'a', 2);
    await expect.poll(() => events).toEqual(['changed', 'changed']);
    end();
    await configs.setConfig('acme', 'agent', 'a', 3);
    expect(events).toHaveLength(2);
    expect(textOf(configs.store as ReturnType<typeof fileStore>)).toContain('"version": 3');
  });

  it('takes a store only', () => {
    expect(() => new ConfigManager('config.json' as never)).toThrow(/takes a store/);
    expect(() => new ConfigManager(fileStore(), { defaultTenantId: 'a b' })).toThrow(InvalidNameError);
  });
});
