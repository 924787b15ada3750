/** `npm run examples`: each example of the reference under its title, what it shows, and exit codes. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';

const COMMAND = fileURLToPath(new URL('../../../scripts/examples.mjs', import.meta.url));

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function runExamples(args: readonly string[], env: Record<string, string> = {}): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(process.execPath, [COMMAND, ...args], { env: { ...process.env, ...env } }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

describe('npm run examples', () => {
  let ran: Ran;
  /** What an example printed below its title. */
  const shownBy = (title: string): string[] => {
    const [, shown] = ran.stdout.split(`${title}\n`);
    expect(shown, `${title} is printed`).toBeDefined();
    return shown!.split('\n\n')[0]!.split('\n');
  };

  beforeAll(async () => {
    ran = await runExamples([]);
  }, 180_000);

  it('runs all six and ends with 0', () => {
    expect(ran.code, ran.stderr).toBe(0);
    expect(ran.stdout.match(/^Example \d: .*$/gm)).toHaveLength(6);
    expect(ran.stdout.trim().split('\n').at(-1)).toBe('6 examples ran.');
  });

  it('Example 1: Basic Multi-Tenant Telemetry Setup: each tenant in its own project', () => {
    expect(shownBy('Example 1: Basic Multi-Tenant Telemetry Setup')).toEqual([
      'cogniverse-acme-corp-video-search: search_service.search, query "Marie Curie radioactivity", 5 results',
      'cogniverse-techstart-video-search: search_service.search, query "battery of zinc and copper", 2 results',
    ]);
  });

  it('Example 2: Nested Spans with Context Propagation: the tree of the reference', () => {
    expect(shownBy('Example 2: Nested Spans with Context Propagation')).toEqual([
      'video_search.process (parent)',
      '├── video_search.encode',
      '├── video_search.vespa_search',
      '└── video_search.postprocess',
    ]);
  });

  it('Example 3: Using Context Helpers for Standard Operations: the three kinds of span', () => {
    const shown = shownBy('Example 3: Using Context Helpers for Standard Operations');
    expect(shown.slice(0, 4)).toEqual([
      'Generated spans:',
      '- search_service.search (openinference.span.kind=CHAIN)',
      '- encoder.hashedtfidf.encode (openinference.span.kind=EMBEDDING)',
      '- search.execute (openinference.span.kind=RETRIEVER)',
    ]);
    expect(shown.slice(5)).toHaveLength(3);
    expect(shown[5]).toMatch(/^ {2}1\. curie-2 \(0\.\d{3}\)$/);
  });

  it('Example 4: Per-Modality Performance Tracking: latency, throughput and errors per modality', () => {
    const shown = shownBy('Example 4: Per-Modality Performance Tracking').join('\n');
    expect(shown).toMatch(/Video search performance:\n {2}P95 latency: [\d.]+ ms\n {2}Success rate: 100\.00 %/);
    expect(shown).toMatch(/Throughput: [\d.]+ queries per second/);
    expect(shown.match(/^ {2}(video|image|text): [\d.]+ ms$/gm)).toHaveLength(3);
    expect(shown).toContain('image: 9.09 % errors');
    expect(shown).toContain('has no word to search for.":10}');
  });

  it('Example 5: Production Configuration with Batch Export: over TLS, with nothing dropped', () => {
    const shown = shownBy('Example 5: Production Configuration with Batch Export');
    expect(shown.slice(0, 2)).toEqual(['Endpoint: TLS', 'Spans ended: 3000, exported: 3000, dropped: 0']);
    expect(shown.slice(3)).toEqual(['Cached tenants: 50', 'Stored, over 50 projects: 3000']);
  });

  it('Example 6: Test Mode with Synchronous Export: stored when the call has settled', () => {
    expect(shownBy('Example 6: Test Mode with Synchronous Export')).toEqual([
      'Stored before any flush: test.search (3 results, environment test)',
      'Stored after a flush: test.count',
    ]);
  });
});

describe('the command', () => {
  it('runs those that are asked for, and ends with 1 if one fails', async () => {
    // Nothing is recorded, so there is nothing to read back.
    const { code, stdout, stderr } = await runExamples(['2', '4'], { TELEMETRY_ENABLED: 'false' });
    expect(code).toBe(1);
    expect(stderr).toContain('Example 2 ended with exit code 1.');
    expect(stdout).toContain('Slowest modalities:');
    expect(stdout.trim().split('\n').at(-1)).toBe('2 examples ran; failed: 2.');
  }, 60_000);

  it('shows its help, and refuses what it does not know', async () => {
    const help = await runExamples(['--help']);
    expect(help).toMatchObject({ code: 0, stderr: '' });
    expect(help.stdout).toContain('Usage: npm run examples');
    expect(help.stdout.match(/^ {2}\d {2}example-\d-/gm)).toHaveLength(6);
    for (const [arg, text] of [
      ['7', 'There is no example "7"'],
      ['--fast', '--fast'],
    ] as const) {
      const refused = await runExamples([arg]);
      expect(refused.code).toBe(1);
      expect(refused.stderr).toContain(text);
    }
  });
});
