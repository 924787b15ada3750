import * as server from '@cogniverse/server';
import { expect, it } from 'vitest';

it('shows these names and no others', () => {
  expect(Object.keys(server).sort()).toEqual([
    'AccessKeys',
    'ServerLedger',
    'accessKeyFile',
    'createStderrLogger',
    'formatLogLine',
    'limitsSchema',
    'parseServerOptions',
    'serverOptionsSchema',
    'startServer',
  ]);
});
