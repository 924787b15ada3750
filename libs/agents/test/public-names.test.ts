import * as routing from '@cogniverse/agents/routing';
import { expect, it } from 'vitest';

it('shows these names and no others', () => {
  expect(Object.keys(routing).sort()).toEqual([
    'InvalidArgumentError',
    'ModalityMetricsTracker',
    'QueryModality',
    'checkAlerts',
    'recommendedAlerts',
  ]);
});
