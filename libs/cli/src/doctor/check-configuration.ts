/** The stored configuration, as an application that starts here would read it. */
import { existsSync } from 'node:fs';
import { ConfigFileError, ConfigManager, FileConfigStore } from '@cogniverse/foundation/config';
import { ConfigurationError } from '@cogniverse/foundation/store';
import { type Finding, failure, ok } from './finding.js';

const CHECK = 'configuration';

export function checkConfiguration(env: NodeJS.ProcessEnv): Finding[] {
  const store = new FileConfigStore({ environment: env });
  const configs = new ConfigManager(store);
  try {
    if (!existsSync(store.path)) return [ok(CHECK, `Nothing is stored: ${store.path} does not exist.`)];
    const findings: Finding[] = [];
    for (const tenantId of new Set([configs.defaultTenantId, ...configs.telemetryOverrides().keys()])) {
      try {
        configs.getTelemetryConfig(tenantId).validate();
      } catch (error) {
        if (!(error instanceof ConfigurationError) || error instanceof ConfigFileError) throw error;
        findings.push(
          failure(
            'configuration_invalid',
            `Tenant "${tenantId}": ${error.message}`,
            `Store another value, or mend ${store.path}.`,
          ),
        );
      }
    }
    return findings.length > 0 ? findings : [ok(CHECK, `${store.path} can be used.`)];
  } catch (error) {
    if (!(error instanceof ConfigFileError)) throw error;
    return [
      failure(
        'configuration_damaged',
        error.message,
        `Until then getTelemetryManager() throws; with COGNIVERSE_CONFIG it reads another file.`,
      ),
    ];
  }
}
