/** What `@cogniverse/foundation/telemetry` shows at run time. A change of this list is a change of the public surface. */
import * as client from '@cogniverse/foundation/client';
import * as config from '@cogniverse/foundation/config';
import * as store from '@cogniverse/foundation/store';
import * as telemetry from '@cogniverse/foundation/telemetry';
import * as arrow from '@cogniverse/foundation/telemetry/arrow';
import * as testing from '@cogniverse/foundation/telemetry/testing';
import { expect, it } from 'vitest';

it('has these public names', () => {
  expect(Object.keys(telemetry).sort()).toEqual([
    'BackendUnavailableError',
    'BatchExportConfig',
    'ConfigurationError',
    'DatasetExistsError',
    'DatasetNotFoundError',
    'ExperimentNotFoundError',
    'ExperimentRunExistsError',
    'ExportPipeline',
    'InvalidNameError',
    'InvalidQueryError',
    'Ledger',
    'METRIC_NAMES',
    'MissingTenantError',
    'NotSupportedError',
    'PROVIDER_INPUTS',
    'ProjectAmbiguousError',
    'ProjectCollisionError',
    'ProjectExistsError',
    'ProjectNotFoundError',
    'ProviderLoadError',
    'ProviderNotFoundError',
    'ProviderRegistry',
    'STORE_ERROR_STATUSES',
    'STORE_OPERATIONS',
    'STORE_ROUTE_PREFIX',
    'SessionNotFoundError',
    'SpanNotFoundError',
    'Spool',
    'StoreOpenError',
    'Telemetry',
    'TelemetryConfig',
    'TelemetryError',
    'TelemetryLevel',
    'TelemetryManager',
    'TenantDeletedError',
    'TenantLedger',
    'TenantMismatchError',
    'TenantQueue',
    'TenantRequiredError',
    'TraceNotFoundError',
    'addEmbeddingDetailsToSpan',
    'addSearchResultsToSpan',
    'attributePlaces',
    'backendSearchSpan',
    'checkInput',
    'checkTimeRange',
    'compareExperimentRuns',
    'conditionParts',
    'conditionRows',
    'configurationTable',
    'createTelemetry',
    'decodeStoreRequest',
    'decodeStoreResult',
    'encodeSpan',
    'encodeStoreRequest',
    'encodeStoreResult',
    'errorOfCode',
    'expressTelemetry',
    'fastifyTelemetry',
    'getTelemetryManager',
    'honoTelemetry',
    'httpStatusOfError',
    'isoTime',
    'itemsOfPages',
    'jsonObject',
    'matchesCondition',
    'otlpTarget',
    'parseCondition',
    'parseProjection',
    'parseTime',
    'prometheusText',
    'recordPipelineMetrics',
    'registry',
    'searchSpan',
    'sessionIdOf',
    'storeOver',
    'toSpanRecord',
    'traced',
    'withEnvironment',
    'withSession',
    'withTelemetry',
  ]);
});

it('has these names for tests', () => {
  expect(Object.keys(testing).sort()).toEqual([
    'CountingIds',
    'ManualClock',
    'SENT',
    'TestTelemetry',
    'contractSpan',
    'createTestTelemetry',
    'describeTelemetryProvider',
    'encodeSampleSpan',
    'memoryTarget',
    'sampleScope',
    'sampleSpan',
    'settle',
    'startScriptedBackend',
  ]);
});

it('the configuration has these public names', () => {
  expect(Object.keys(config).sort()).toEqual([
    'ConfigConflictError',
    'ConfigFileError',
    'ConfigManager',
    'FileConfigStore',
    'FileLock',
    'LockCandidate',
    'configLocation',
    'createDefaultConfigManager',
  ]);
});

it('has these public names for Arrow', () => {
  expect(Object.keys(arrow).sort()).toEqual(['ArrowNotInstalledError', 'toTable']);
});

it('has these public names for programs that ask a server', () => {
  expect(Object.keys(client).sort()).toEqual(['openRemoteStore', 'parseEndpoint', 'toSpanRecord']);
});

it('what stores and servers use is the same under both addresses', () => {
  const { errorOfCode, ...shared } = store;
  expect(errorOfCode('invalid_query', 'x')).toBeInstanceOf(telemetry.InvalidQueryError);
  const known = new Map(Object.entries(telemetry));
  expect(Object.entries(shared).filter(([name, value]) => known.get(name) !== value)).toEqual([]);
});
