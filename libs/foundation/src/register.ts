/**
 * For `node --import @cogniverse/foundation/register`: lets OpenTelemetry's instrumentations see ES modules.
 *
 * With static imports a program's `node:http` is bound before any of its own code runs, so instrumentation that is switched on there
 * misses inbound requests. OpenTelemetry's loader hook, registered before the program, makes them visible. The hook is the
 * application's own, so that it is of the version of its instrumentations.
 */
import { createRequire, register } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const HOOK = '@opentelemetry/instrumentation/hook.mjs';

function hookOfApplication(): string | undefined {
  const script = process.argv[1];
  // From the script first: the working directory may be anywhere. Last from here, where a workspace has it hoisted.
  const origins = [script === undefined ? undefined : path.resolve(script), path.join(process.cwd(), 'index.js')];
  for (const origin of origins) {
    if (origin === undefined) continue;
    try {
      return pathToFileURL(createRequire(origin).resolve(HOOK)).href;
    } catch {
      // Not installed as seen from there; the next origin may see it.
    }
  }
  return undefined;
}

/** What OpenTelemetry's hook is made of, in the form that runs on the application's own thread; undefined where there is none. */
async function synchronousHook(hook: string): Promise<SynchronousHook | undefined> {
  let file: string;
  try {
    file = createRequire(hook).resolve('import-in-the-middle/register-hooks.mjs');
  } catch {
    return undefined; // a version before 3
  }
  const found = (await import(pathToFileURL(file).href)) as SynchronousHook;
  return found.supportsSyncHooks() ? found : undefined;
}

interface SynchronousHook {
  register(): void;
  /** Whether this version of Node can run it. */
  supportsSyncHooks(): boolean;
}

const hook = hookOfApplication();
if (hook === undefined) {
  console.warn(
    '[cogniverse telemetry] register: @opentelemetry/instrumentation is not installed in this application, so its ES modules ' +
      'cannot be instrumented. Install it beside your instrumentations: npm install @opentelemetry/instrumentation',
  );
} else {
  const synchronous = await synchronousHook(hook);
  if (synchronous !== undefined) synchronous.register();
  // Before Node 22.22.3 and 24.11.1; deprecated from Node 26 on.
  else register(hook, import.meta.url);
}
