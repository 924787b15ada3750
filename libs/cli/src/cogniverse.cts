#!/usr/bin/env node
/**
 * Entry of the `cogniverse` command.   Shell -> [cogniverse] -> main.
 *
 * CommonJS, because it must run before anything uses Node's thread pool, whose size is fixed at its first use, and loading an ES module
 * uses it. Three queries and a flush hold four threads of the pool for as long as they run; compression and name look-ups need others.
 */
process.env['UV_THREADPOOL_SIZE'] ??= '16';
import('./main.js').catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
