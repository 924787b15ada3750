/** `npm run examples`. In syntax that Node 12.20 can parse: what needs more is loaded after the check of Node's version. */
import { runCommand } from './setup.mjs';

runCommand(() => import('./run-examples.mjs'));
