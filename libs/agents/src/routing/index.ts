/** `@cogniverse/agents/routing`: what routing decisions know of each modality, and the alerts that go with it. */
export type { AlertGrouping, AlertMetric, AlertRule } from './alert-rule.js';
export { type AlertCheck, type AlertCheckInput, type AlertSnapshot, checkAlerts } from './check-alerts.js';
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
export {
  type AlertOverride,
  type AlertOverrides,
  type RecommendedAlertName,
  recommendedAlerts,
} from './recommended-alerts.js';
