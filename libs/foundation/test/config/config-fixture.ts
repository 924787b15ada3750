/** Configuration files in a directory of their own, removed after each test. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FileConfigStore, type FileConfigStoreOptions } from '@cogniverse/foundation/config';
import { afterEach } from 'vitest';

const directories: string[] = [];
afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true });
});

export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'cogniverse config '));
  directories.push(directory);
  return directory;
}

export function fileStore(options: FileConfigStoreOptions = {}): FileConfigStore {
  return new FileConfigStore({ path: join(temporaryDirectory(), 'config.json'), ...options });
}

export function agentKey(key: string, tenantId = 'acme') {
  return { tenantId, scope: 'agent', service: 'agent', key };
}

export function textOf(store: FileConfigStore): string {
  return readFileSync(store.path, 'utf8');
}

export function putText(store: FileConfigStore, text: string | Uint8Array): void {
  writeFileSync(store.path, text);
}

export function thrown(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}
