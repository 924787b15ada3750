/** `@cogniverse/server/options`: what is to be settled before a server starts, without the code of the server. */
export { AccessKeys, accessKeyFile } from './auth/access-keys.js';
export { createStderrLogger } from './server-log.js';
export { limitsSchema, parseServerOptions } from './server-options.js';
