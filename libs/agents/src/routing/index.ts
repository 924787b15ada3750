/** `@cogniverse/agents/routing`: what routing decisions know of each modality. */
export { InvalidArgumentError } from './invalid-argument-error.js';
export {
  type ErrorProneModality,
  type ModalityMetricsOptions,
  ModalityMetricsTracker,
  type ModalityStats,
  type ModalitySummary,
  type SlowModality,
} from './modality-metrics.js';
export { QueryModality } from './query-modality.js';
