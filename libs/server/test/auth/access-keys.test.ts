import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AccessKeys, accessKeyFile } from '@cogniverse/server';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

let directory: string;
let file: string;
let now: number;
let keys: AccessKeys;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'cogniverse-keys-'));
  file = accessKeyFile(join(directory, 'not made yet'));
  now = Date.parse('2026-03-01T12:00:00Z');
  keys = new AccessKeys({ file, now: () => now });
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const acme = { tenantId: 'acme', read: true, ingest: true };

describe('the file of keys', () => {
  it('finds a key by its text, and tells whose it is', async () => {
    const { key, record } = await keys.create({ ...acme, ingest: false, name: 'dashboard' });
    expect(key).toMatch(/^cgv_[0-9a-f]{12}_[A-Za-z0-9_-]{43}$/);
    expect(keys.find(key)).toEqual(record);
    expect(record).toMatchObject({ tenantId: 'acme', name: 'dashboard', read: true, ingest: false });
    expect(keys.isUsable(record)).toBe(true);
  });

  it('holds no key, and is for its owner alone', async () => {
    const { key } = await keys.create(acme);
    const text = readFileSync(file, 'utf8');
    expect(text).not.toContain(key);
    expect(text).not.toContain(key.split('_').slice(2).join('_'));
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(statSync(join(directory, 'not made yet')).mode & 0o777).toBe(0o700);
  });

  it('is read by another process as soon as it is written', async () => {
    const other = new AccessKeys({ file });
    expect(other.exist()).toBe(false);
    const { key, record } = await keys.create({ ...acme, tenantId: undefined });
    expect(other.find(key)).toEqual(record);
    await keys.revoke(record.id);
    expect(other.find(key)?.revokedAt).toBe('2026-03-01T12:00:00.000Z');
  });

  it('keeps every key of several writers at once', async () => {
    const writers = Array.from({ length: 8 }, () => new AccessKeys({ file, now: () => now }));
    const made = await Promise.all(writers.map((writer) => writer.create(acme)));
    expect(keys.list()).toHaveLength(8);
    for (const { key, record } of made) expect(keys.find(key)).toEqual(record);
  });

  it('ends a key at its time, and at once when it is revoked', async () => {
    const { key } = await keys.create({ ...acme, expiresAt: new Date(now + 1000) });
    const lasting = await keys.create(acme);
    expect(keys.isUsable(keys.find(key)!)).toBe(true);
    now += 1000;
    expect(keys.isUsable(keys.find(key)!)).toBe(false);
    expect(keys.hasUsable()).toBe(true);
    expect((await keys.revoke(lasting.record.id))?.revokedAt).toBe(new Date(now).toISOString());
    expect(keys.isUsable(keys.find(lasting.key)!)).toBe(false);
    expect({ usable: keys.hasUsable(), exist: keys.exist() }).toEqual({ usable: false, exist: true });
  });

  it('forgets every trace of a tenant that is deleted', async () => {
    const canary = await keys.create({ ...acme, tenantId: 'canary-tenant', name: 'canary-name' });
    await keys.revoke(canary.record.id);
    await keys.create({ ...acme, tenantId: 'canary-tenant' });
    const kept = await keys.create(acme);
    expect(await keys.forgetTenant('canary-tenant')).toBe(2);
    expect(readFileSync(file, 'utf8')).not.toContain('canary');
    expect(keys.list()).toEqual([kept.record]);
  });

  it.each([
    [{ ...acme, tenantId: '' }, 'Tenant id ""'],
    [{ ...acme, tenantId: 'a\nb' }, 'none of them a control character'],
    [{ ...acme, read: false, ingest: false }, 'may neither read nor ingest'],
    [{ ...acme, name: 'x'.repeat(101) }, '101 characters'],
    [{ ...acme, expiresAt: new Date(0) }, 'expired from the start'],
    [{ ...acme, expiresAt: new Date(Number.NaN) }, 'expired from the start'],
  ])('refuses a key that is of no use: %j', async (wanted, message) => {
    await expect(keys.create(wanted)).rejects.toThrow(message);
    expect(keys.exist()).toBe(false);
  });

  it('that is damaged lets nobody in, shows nothing of itself, and is not written over', async () => {
    const { key, record } = await keys.create(acme);
    const text = readFileSync(file, 'utf8');
    const hash = /"hash": *"([^"]+)"/.exec(text)![1]!;
    for (const damaged of [
      '',
      '{',
      text.slice(0, -20),
      text.replace(hash, hash.slice(1)),
      text.replace('"salt"', '"slat"'),
    ]) {
      writeFileSync(file, damaged);
      for (const use of [() => keys.find(key), () => keys.list(), () => keys.hasUsable()]) {
        expect(use).toThrow(expect.objectContaining({ code: 'configuration', message: expect.stringContaining(file) }));
        expect(use).toThrow(expect.objectContaining({ message: expect.not.stringContaining(hash.slice(1, 20)) }));
      }
      await expect(keys.revoke(record.id)).rejects.toMatchObject({ code: 'configuration' });
      expect(readFileSync(file, 'utf8')).toBe(damaged);
    }
    writeFileSync(file, text);
    expect(keys.find(key)).toEqual(record);
  });

  it.runIf(process.platform !== 'win32')('that others may read or write is refused', async () => {
    await keys.create(acme);
    keys.checkMode();
    for (const mode of [0o640, 0o602, 0o666]) {
      chmodSync(file, mode);
      expect(() => keys.checkMode()).toThrow('chmod 600');
    }
  });

  it('knows no other text than the key itself', async () => {
    const { key } = await keys.create(acme);
    const { key: other } = await keys.create(acme);
    const nearly = fc.oneof(
      fc.string({ maxLength: 80 }),
      fc.constantFrom('', 'cgv_', `${key} `, ` ${key}`, `${key}\n`, key.toUpperCase(), key + key, key.slice(0, -1)),
      // The id of one with the secret of another, and every one-character change.
      fc.constant(key.slice(0, 17) + other.slice(17)),
      fc
        .tuple(fc.integer({ min: 0, max: key.length - 1 }), fc.constantFrom('A', '0', '_', '\0', 'é'))
        .map(([at, character]) => key.slice(0, at) + character + key.slice(at + 1)),
    );
    fc.assert(
      fc.property(nearly, (text) => {
        if (text !== key) expect(keys.find(text)).toBeUndefined();
      }),
    );
  });
});
