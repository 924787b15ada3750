/** Unpacks a store that an earlier release wrote, and what that release was given. See `make-fixture.mjs`. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import type { Annotation, ExperimentRunRecord, ProjectRef, RetentionRecord } from '@cogniverse/foundation/telemetry';

export interface FixtureContent {
  readonly spans: readonly { readonly project: ProjectRef; readonly body: string }[];
  readonly annotations: readonly (Partial<Annotation> & { readonly project: ProjectRef; readonly spanId: string })[];
  readonly datasets: readonly {
    readonly tenantId: string | null;
    readonly id: string;
    readonly versionId: string;
    readonly name: string;
    readonly rows: readonly object[];
  }[];
  readonly experiments: readonly {
    readonly tenantId: string | null;
    readonly id: string;
    readonly name: string;
    readonly runs: readonly Partial<ExperimentRunRecord>[];
  }[];
  /** From format 2 on. */
  readonly otherAnnotations?: readonly (Partial<Annotation> & { readonly project: ProjectRef })[];
  readonly splits?: readonly {
    readonly tenantId: string | null;
    readonly datasetId: string;
    readonly id: string;
    readonly name: string;
    readonly rowIds: readonly string[];
  }[];
  readonly described?: readonly { readonly tenantId: string; readonly name: string; readonly description: string }[];
  readonly projectIds?: readonly { readonly project: ProjectRef; readonly id: string }[];
  readonly retention?: readonly RetentionRecord[];
  /** Projects that are there, without spans. */
  readonly emptied?: readonly ProjectRef[];
}

export function unpackFixture(format: number, dataDir: string): FixtureContent {
  const packed = fileURLToPath(new URL(`./fixtures/format-${format}.json.gz`, import.meta.url));
  const { files, expected } = JSON.parse(gunzipSync(readFileSync(packed)).toString()) as {
    files: Record<string, string>;
    expected: FixtureContent;
  };
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(dataDir, name)), { recursive: true, mode: 0o700 });
    writeFileSync(join(dataDir, name), Buffer.from(content, 'base64'), { mode: 0o600 });
  }
  return expected;
}
