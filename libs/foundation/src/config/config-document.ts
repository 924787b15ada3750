/**
 * What stands in a configuration file.   Control path: configuration file -> [document] -> store.
 *
 * What this version does not know (other keys, other scopes, other programs' entries) stays as it is when the file is written again.
 */
import { z } from 'zod';
import type { ConfigEntry, ConfigKey, JsonValue } from './config-store.js';
import { ConfigFileError } from './errors.js';
import { findJsonFault, parseJsonText, plainValue, writeJsonText } from './json-text.js';

export const FORMAT = 1;

const version = z.int().positive();
const versionSchema = z.looseObject({
  version,
  updated_at: z.string(),
  config_value: z.unknown(),
  deleted: z.boolean().optional(),
});
const entrySchema = versionSchema.extend({
  tenant_id: z.string().min(1),
  scope: z.string().min(1),
  service: z.string().min(1),
  config_key: z.string().min(1),
  created_at: z.string(),
  /** Earlier versions, newest first. */
  history: z.array(versionSchema).optional(),
});
const documentSchema = z.looseObject({ format: z.int().positive(), entries: z.array(entrySchema) });

type StoredVersion = z.output<typeof versionSchema>;
type StoredEntry = z.output<typeof entrySchema>;

const REMEDY =
  'Mend it, or put a backup in its place, or remove it to begin anew. It is left as it is: nothing writes to it.';

export class ConfigDocument {
  readonly #raw: { format: number; entries: StoredEntry[] };
  readonly #byKey = new Map<string, StoredEntry>();

  private constructor(raw: { format: number; entries: StoredEntry[] }) {
    this.#raw = raw;
    for (const entry of raw.entries) this.#byKey.set(identity(keyOf(entry)), entry);
  }

  static empty(): ConfigDocument {
    return new ConfigDocument({ format: FORMAT, entries: [] });
  }

  /** Errors: `ConfigFileError` naming the file, the place and the remedy. Nothing of the text is shown: it may hold credentials. */
  static parse(file: string, bytes: Uint8Array): ConfigDocument {
    let text: string;
    try {
      text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    } catch {
      throw new ConfigFileError(
        file,
        'damaged',
        `The configuration file ${file} is damaged: it is no UTF-8 text. ${REMEDY}`,
      );
    }
    const raw = parseJsonText(text);
    if (raw === undefined) {
      const position = findJsonFault(text);
      const place =
        text.trim() === ''
          ? 'it is empty'
          : `line ${position.line}, column ${position.column} is no JSON${position.offset >= text.length ? ' (the text ends too early)' : ''}`;
      throw new ConfigFileError(file, 'damaged', `The configuration file ${file} is damaged: ${place}. ${REMEDY}`, {
        position,
      });
    }
    const format = (raw as { format?: unknown } | null)?.format;
    if (typeof format === 'number' && format > FORMAT) {
      throw new ConfigFileError(
        file,
        'newer_format',
        `The configuration file ${file} has format ${format}; this release knows ${FORMAT}. Use the release that wrote it, or a later one. It is left as it is.`,
      );
    }
    const checked = documentSchema.safeParse(raw);
    const fault = checked.success ? faultOfEntries(checked.data.entries) : faultOfShape(checked.error);
    if (fault !== undefined) {
      throw new ConfigFileError(file, 'damaged', `The configuration file ${file} is damaged: ${fault}. ${REMEDY}`);
    }
    return new ConfigDocument(raw as { format: number; entries: StoredEntry[] });
  }

  toText(): string {
    return writeJsonText(this.#raw);
  }

  /** 0: it never was there. */
  currentVersion(key: ConfigKey): number {
    return this.#byKey.get(identity(key))?.version ?? 0;
  }

  isDeleted(key: ConfigKey): boolean {
    const stored = this.#byKey.get(identity(key));
    return stored === undefined || stored.deleted === true;
  }

  get(key: ConfigKey, atVersion?: number): ConfigEntry | undefined {
    const stored = this.#byKey.get(identity(key));
    if (stored === undefined) return undefined;
    const found =
      atVersion === undefined ? stored : versionsOf(stored).find(({ version: number }) => number === atVersion);
    return found === undefined || found.deleted === true ? undefined : entryOf(stored, found);
  }

  list(filter: Partial<ConfigKey>): ConfigEntry[] {
    const wanted = Object.entries(filter).filter(([, value]) => value !== undefined);
    return this.#raw.entries
      .filter((stored) => {
        const key = keyOf(stored);
        return stored.deleted !== true && wanted.every(([field, value]) => key[field as keyof ConfigKey] === value);
      })
      .map((stored) => entryOf(stored, stored));
  }

  history(key: ConfigKey, limit: number): ConfigEntry[] {
    const stored = this.#byKey.get(identity(key));
    if (stored === undefined) return [];
    return versionsOf(stored)
      .slice(0, limit)
      .map((found) => entryOf(stored, found));
  }

  /** The next version of an entry; at most `maxVersions` are kept. Changes this document. */
  add(key: ConfigKey, value: JsonValue | undefined, now: string, maxVersions: number): ConfigEntry {
    const stored = this.#byKey.get(identity(key));
    if (stored === undefined) {
      const added: StoredEntry = {
        tenant_id: key.tenantId,
        scope: key.scope,
        service: key.service,
        config_key: key.key,
        version: 1,
        created_at: now,
        updated_at: now,
        config_value: value ?? null,
      };
      this.#raw.entries.push(added);
      this.#byKey.set(identity(key), added);
      return entryOf(added, added);
    }
    const { version: number, updated_at, config_value, deleted } = stored;
    const before: StoredVersion = { version: number, updated_at, config_value, ...(deleted === true && { deleted }) };
    stored.history = [before, ...(stored.history ?? [])].slice(0, maxVersions - 1);
    stored.version = number + 1;
    stored.updated_at = now;
    stored.config_value = value ?? null;
    if (value === undefined) stored.deleted = true;
    else delete stored.deleted;
    return entryOf(stored, stored);
  }

  /** Removes an entry and its history. Changes this document. */
  forget(key: ConfigKey): void {
    const stored = this.#byKey.get(identity(key));
    if (stored === undefined) return;
    this.#byKey.delete(identity(key));
    this.#raw.entries.splice(this.#raw.entries.indexOf(stored), 1);
  }
}

function identity({ tenantId, scope, service, key }: ConfigKey): string {
  return JSON.stringify([tenantId, scope, service, key]);
}

function keyOf(stored: StoredEntry): ConfigKey {
  return { tenantId: stored.tenant_id, scope: stored.scope, service: stored.service, key: stored.config_key };
}

function versionsOf(stored: StoredEntry): StoredVersion[] {
  return [stored, ...(stored.history ?? [])];
}

function entryOf(stored: StoredEntry, found: StoredVersion): ConfigEntry {
  return {
    ...keyOf(stored),
    value: plainValue(found.config_value),
    version: found.version,
    createdAt: stored.created_at,
    updatedAt: found.updated_at,
    deleted: found.deleted === true,
  };
}

function faultOfShape(error: z.ZodError): string {
  const issue = error.issues[0]!;
  const path = issue.path.reduce<string>(
    (text, part) => (typeof part === 'number' ? `${text}[${part}]` : `${text}${text === '' ? '' : '.'}${String(part)}`),
    '',
  );
  return `${path === '' ? 'its top level' : `"${path}"`} has the wrong shape (${issue.message})`;
}

function faultOfEntries(entries: readonly StoredEntry[]): string | undefined {
  const seen = new Set<string>();
  for (const [index, entry] of entries.entries()) {
    const key = identity(keyOf(entry));
    if (seen.has(key)) return `"entries[${index}]" is there twice`;
    seen.add(key);
    const versions = versionsOf(entry).map(({ version: number }) => number);
    if (versions.some((number, at) => at > 0 && number >= versions[at - 1]!)) {
      return `"entries[${index}].history" is not in the order of its versions, newest first`;
    }
  }
  return undefined;
}
