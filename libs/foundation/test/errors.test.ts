import { expect, it } from 'vitest';
import { MissingTenantError } from '../dist/telemetry/errors.js';

it('an error carries its class name, a stable code and its cause', () => {
  const cause = new Error('below');
  const error = new MissingTenantError('no tenant', { cause });
  expect(error).toMatchObject({ name: 'MissingTenantError', code: 'missing_tenant', cause });
});
