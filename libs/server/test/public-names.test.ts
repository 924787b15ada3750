import * as server from '@cogniverse/server';
import { expect, it } from 'vitest';

it('shows these names and no others', () => {
  expect(Object.keys(server).sort()).toEqual([
    'ServerLedger',
    'createStderrLogger',
    'formatLogLine',
    'parseServerOptions',
    'serverOptionsSchema',
    'startServer',
  ]);
});
