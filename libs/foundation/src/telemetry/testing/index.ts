/** `@cogniverse/foundation/telemetry/testing`: what tests of telemetry need, independent of the test runner. */
export { CountingIds } from './counting-ids.js';
export { ManualClock, settle } from './manual-clock.js';
export {
  type MemoryTarget,
  type MemoryTargetOptions,
  memoryTarget,
  type ReceivedRequest,
  type ReceivedSpan,
  SENT,
} from './memory-target.js';
export type { ProviderBackend } from './provider-contract/backend.js';
export type { LackedCapabilities, ProviderCapability } from './provider-contract/capabilities.js';
export { type ContractSpanFields, contractSpan } from './provider-contract/contract-spans.js';
export {
  type ContractTestRunner,
  describeTelemetryProvider,
  type ProviderContractOptions,
} from './provider-contract/describe-telemetry-provider.js';
export { encodeSampleSpan, sampleScope, sampleSpan } from './sample-spans.js';
export {
  type RecordedRequest,
  type Script,
  type ScriptedAnswer,
  type ScriptedBackend,
  type ScriptedBackendOptions,
  startScriptedBackend,
} from './scripted-backend.js';
export type { SpanNode } from './span-tree.js';
export { createTestTelemetry, type SpanSelection, TestTelemetry, type TestTelemetryOptions } from './test-telemetry.js';
