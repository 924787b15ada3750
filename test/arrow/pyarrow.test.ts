/** pyarrow and pandas read the tables of `toTable`: types, nanoseconds, text of any script, 64-bit integers, what is missing. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createTelemetry, ProviderRegistry } from '@cogniverse/foundation/telemetry';
import { toTable } from '@cogniverse/foundation/telemetry/arrow';
import { LocalProvider } from '@cogniverse/telemetry-local';
import { type Table, tableToIPC } from 'apache-arrow';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { everyType, spanRecord } from '../../libs/foundation/test/telemetry/arrow/records.js';
import { pythonVersion, pythonWith } from '../python-environment.js';

const run = promisify(execFile);
const version = pythonVersion();
if (version === undefined && process.env['CI'] === 'true')
  throw new Error('With CI=true python3 (with venv and pip) is needed.');

interface Reading {
  same: boolean;
  columns: Record<string, { type: string; metadata: Record<string, string>; values: unknown[] }>;
  pandas: {
    start_time: string;
    nanoseconds: string[];
    types: Record<string, string>;
    long: (string | null)[];
    groups: Record<string, [number, number]>;
  };
}

describe.skipIf(version === undefined)(
  'pyarrow and pandas (skipped where python3 with venv and pip is missing)',
  () => {
    const directory = mkdtempSync(join(tmpdir(), 'cogniverse-arrow-'));
    let python = '';
    beforeAll(async () => {
      python = await pythonWith(version!, 'arrow', join(import.meta.dirname, 'requirements.txt'));
    }, 300_000);
    afterAll(() => rmSync(directory, { recursive: true, force: true }));

    async function read(table: Table): Promise<Reading> {
      const [file, stream] = [join(directory, 'table.arrow'), join(directory, 'table.arrows')];
      writeFileSync(file, tableToIPC(table, 'file'));
      writeFileSync(stream, tableToIPC(table, 'stream'));
      const script = join(import.meta.dirname, 'read_table.py');
      const { stdout } = await run(python, [script, file, stream], { maxBuffer: 2 ** 28 });
      return JSON.parse(stdout) as Reading;
    }

    it('read every type of column, from a file and from a stream alike', async () => {
      const { same, columns } = await read(await toTable(everyType));
      expect(same).toBe(true);
      expect(columns['start_time']).toEqual({
        type: 'timestamp[ns, tz=UTC]',
        metadata: {},
        values: ['1700000000123456789', '1700000000123456790', '1700000000123456789'],
      });
      expect(columns['parent_id']).toEqual({ type: 'string', metadata: {}, values: [null, 'b7ad6b7169203331', null] });
      expect(columns['duration_ms']).toEqual({ type: 'double', metadata: {}, values: [2.5, 2.5, 2.5] });
      expect(columns['events']!.type).toBe(
        'list<item: struct<name: string, timestamp: timestamp[ns, tz=UTC], attributes: string>>',
      );
      expect(columns['events']!.values).toEqual([
        [
          { name: 'first', timestamp: '1700000000123456790', attributes: '{"size":3}' },
          { name: 'second', timestamp: '1700000000123456791', attributes: '{}' },
        ],
        [],
        [],
      ]);
      const json = { content_type: 'application/json' };
      const attributes = Object.entries(columns).filter(([name]) => name.startsWith('attributes.'));
      expect(Object.fromEntries(attributes.map(([name, column]) => [name.slice(11), column]))).toEqual({
        bytes: { type: 'binary', metadata: {}, values: ['00ff', '', null] },
        flag: { type: 'bool', metadata: {}, values: [true, false, null] },
        flags: { type: 'list<item: bool>', metadata: {}, values: [[true, false], null, null] },
        fraction: { type: 'double', metadata: {}, values: [0.1, 2, -0] },
        fractions: { type: 'list<item: double>', metadata: {}, values: [[0.5, 1], null, null] },
        long: { type: 'int64', metadata: {}, values: ['9223372036854775807', '9007199254740992', null] },
        map: { type: 'string', metadata: json, values: ['{"inner":[1,"x"]}', '{"inner":"9007199254740993"}', null] },
        mixed: { type: 'string', metadata: json, values: ['1', '"one"', null] },
        none: { type: 'string', metadata: {}, values: [null, null, null] },
        text: { type: 'string', metadata: {}, values: ['Zürich, 東京, 😀', null, null] },
        texts: { type: 'list<item: string>', metadata: {}, values: [['a', null, ''], [], null] },
        whole: { type: 'int64', metadata: {}, values: ['10', '-3', '7'] },
        wholes: { type: 'list<item: int64>', metadata: {}, values: [['1', '2'], null, null] },
      });
    });

    it('keep integers with gaps exact, where pandas is told to', async () => {
      const { pandas } = await read(await toTable(everyType));
      expect(pandas.types).toMatchObject({ 'attributes.long': 'int64[pyarrow]', 'attributes.flag': 'bool[pyarrow]' });
      expect(pandas.long).toEqual(['9223372036854775807', '9007199254740992', null]);
    });

    it('group and average, with times to the nanosecond, over several batches', async () => {
      const spans = Array.from({ length: 40_000 }, (_, index) =>
        spanRecord({
          name: index % 4 === 0 ? 'encode' : 'search',
          durationMillis: index,
          startTimeUnixNano: 1_700_000_000_123_456_789n + BigInt(index),
          attributes: { index, text: index % 2 === 0 ? `Text ${index} 😀` : null },
        }),
      );
      const { columns, pandas } = await read(await toTable(spans));
      expect(pandas.start_time).toBe('datetime64[ns, UTC]');
      expect(pandas.nanoseconds).toEqual(spans.map(({ startTimeUnixNano }) => String(startTimeUnixNano)));
      expect(pandas.groups).toEqual({ encode: [10_000, 19_998], search: [30_000, 20_000] });
      expect(columns['attributes.index']!.values).toEqual(spans.map((_, index) => String(index)));
      expect(columns['attributes.text']!.values).toEqual(spans.map(({ attributes }) => attributes['text']));
    });

    it('read a table without rows', async () => {
      const { columns, pandas } = await read(await toTable([]));
      expect(columns['start_time']).toEqual({ type: 'timestamp[ns, tz=UTC]', metadata: {}, values: [] });
      expect(pandas.groups).toEqual({});
    });

    it('read what was recorded, through a store', async () => {
      const registry = new ProviderRegistry();
      registry.register('local', LocalProvider);
      const telemetry = createTelemetry(
        { provider: 'local', providerConfig: { data_dir: join(directory, 'data') } },
        { registry },
      );
      await telemetry.span(
        'search',
        { tenantId: 'acme', attributes: { top_k: 10, query: 'Größe' } },
        async () => undefined,
      );
      expect(await telemetry.forceFlush()).toBe(true);
      const provider = await telemetry.getProvider('acme');
      const [span] = await provider.traces.getSpans();
      const { columns } = await read(await toTable(provider.traces.iterateSpans()));
      expect(columns['attributes.query']!.values).toEqual(['Größe']);
      expect(columns['attributes.top_k']!.values).toEqual(['10']);
      expect(columns['start_time']!.values).toEqual([String(span!.startTimeUnixNano)]);
      await telemetry.shutdown();
    });
  },
);
