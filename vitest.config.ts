/** All tests of the repository. They run against what `tsc -b` built: what is tested is what is published. */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['libs/*/test/**/*.test.ts', 'examples/*/test/**/*.test.ts', 'test/**/*.test.ts'],
    exclude: ['**/node_modules/**', 'test/integrations/**', 'test/runners/*/**'],
    globalSetup: ['test/phoenix/shared-server.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Of waiting for something to come true: it ends as soon as it has, so only a busy machine notices how long it may take.
    expect: { poll: { timeout: 20_000 } },
  },
});
