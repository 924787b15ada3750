/** `NODE_EXTRA_CA_CERTS=FILE node trusting-client.mjs URL`: writes a data set over the remote store; says "written", or the codes of error and cause. */
import { openRemoteStore } from '@cogniverse/foundation/client';

const remote = openRemoteStore({ endpoint: process.argv[2], apiKey: 'secret', maxRetries: 0 });
try {
  await remote.createDataset({ tenantId: 'acme', name: 'd', rows: [] });
  console.log('written');
} catch (error) {
  let { cause } = error;
  while (cause?.cause !== undefined) cause = cause.cause;
  console.log(`${error.code} ${cause?.code}`);
} finally {
  await remote.shutdown();
}
