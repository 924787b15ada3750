/** Conditions in Phoenix's language: read, and evaluated on records. */
export { type AttributePlace, attributePlaces } from './attribute-path.js';
export {
  type Condition,
  type ConditionComparison,
  type ConditionExpression,
  type ConditionLanguage,
  type ConditionLoop,
  type ConditionLoopSource,
  type ConditionRowKind,
  type ConditionType,
  conditionParts,
} from './condition.js';
export { type ConditionRecords, type ConditionRows, conditionRows, type TargetedAnnotation } from './condition-rows.js';
export { type ConditionAnnotation, type ConditionRow, type ConditionValue, matchesCondition } from './evaluate.js';
export { parseCondition, parseProjection, type SpanProjection } from './resolver.js';
