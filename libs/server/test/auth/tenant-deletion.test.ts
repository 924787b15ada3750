/** A tenant that is deleted over the server leaves its name nowhere in the data directory, its keys included. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { getJson, startTestServer, tracesJson } from '../running-server.js';

it('deletes its keys with it, and only the operator may ask for that', async () => {
  const running = await startTestServer();
  try {
    const tenantId = 'tenant-5f0c9a';
    const own = await running.keys.create({ tenantId, read: true, ingest: true });
    const other = await running.keys.create({ tenantId: 'other', read: true, ingest: true });
    const operator = await running.keys.create({ tenantId: undefined, read: true, ingest: true });
    const post = (path: string, key: string, body: object) =>
      fetch(`${running.url}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
        body: JSON.stringify(body),
      });
    await post('/v1/traces', own.key, tracesJson([{}], { project: 'p' }));
    const directory = running.dataDir;
    const filesWithName = () =>
      readdirSync(directory, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile() && readFileSync(join(entry.parentPath, entry.name)).includes(tenantId))
        .map(({ name }) => name);
    expect(filesWithName()).toContain('keys.json');
    expect((await post('/v1/cogniverse/tenants/delete', own.key, { tenant: tenantId })).status).toBe(403);
    const deleted = await post('/v1/cogniverse/tenants/delete', operator.key, { tenant: tenantId });
    expect(deleted.status).toBe(200);
    expect(await deleted.json()).toMatchObject({
      data: { deleted: { spans: 1 }, note: expect.stringContaining('Back-ups') },
    });
    expect(filesWithName()).toEqual([]);
    const headers = (key: string) => ({ authorization: `Bearer ${key}` });
    expect((await getJson(`${running.url}/v1/projects`, headers(own.key))).status).toBe(401);
    expect((await getJson(`${running.url}/v1/projects`, headers(other.key))).status).toBe(200);
  } finally {
    await running.stop();
  }
});
