import * as local from '@cogniverse/telemetry-local';
import { expect, it } from 'vitest';

it('shows these names and no others', () => {
  expect(Object.keys(local).sort()).toEqual([
    'LocalProvider',
    'STORE_FORMAT_VERSION',
    'localStoreSchema',
    'openLocalStore',
    'restoreBackup',
    'verifyBackup',
  ]);
});
