/** Phoenix's Python client, unmodified: every method of its resources, in both flavours, against a real Phoenix and against this project's server. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { methodsOfGuide } from './guide-methods.js';
import { PHOENIX_START_MILLIS, phoenixCanRun, SKIPPED } from './phoenix.js';
import { startTarget, TARGETS, type Target, type TargetName } from './targets.js';

const SCRIPT = join(import.meta.dirname, 'python_client.py');
/** What `python_client.py` does; each is a test here. */
const CASES = [
  'projects are created listed read changed and deleted',
  'get spans finds spans by every filter',
  'get spans dataframe has one column an attribute',
  'spans are found by conditions',
  'queries select rename explode and concatenate',
  'span annotations and notes are written and read',
  'document annotations are taken',
  'spans are logged from a dataframe refused twice and deleted',
  'traces are sorted filtered and annotated',
  'sessions are listed read turn by turn annotated and deleted',
  'datasets are created in every form appended listed and versioned',
  'an experiment is run read and evaluated again',
  'an experiment is made logged by hand and resumed',
];

interface Outcome {
  /** The traceback of each case; null when it held. */
  readonly cases: Record<string, string | null>;
  /** Public methods of the client's resources. */
  readonly methods: readonly string[];
  /** Those of them whose code ran. */
  readonly called: readonly string[];
}

describe.skipIf(!phoenixCanRun)(`Phoenix's Python client ${SKIPPED}`, () => {
  describe.each(TARGETS)('on %s', (targetName: TargetName) => {
    let target: Target;
    const home = mkdtempSync(join(tmpdir(), 'cogniverse-python-client-'));
    beforeAll(async () => {
      target = await startTarget(targetName);
    }, PHOENIX_START_MILLIS);
    afterAll(async () => {
      await target.stop();
      rmSync(home, { recursive: true, force: true });
    });

    describe.each(['sync', 'async'])('%s', (flavour) => {
      let outcome: Outcome;
      beforeAll(async () => {
        // No setting of whoever runs the tests reaches the client.
        const env = { PATH: process.env['PATH'], HOME: home };
        const { stdout } = await promisify(execFile)(target.python, [SCRIPT, target.url, flavour], {
          env,
          cwd: home,
          maxBuffer: 2 ** 26,
          timeout: 180_000,
        });
        outcome = JSON.parse(stdout) as Outcome;
      }, 200_000);

      it.each(CASES)('%s', (name) => {
        expect(outcome.cases[name]).toBeNull();
      });

      it('does these cases and no others', () => {
        expect(Object.keys(outcome.cases)).toEqual(CASES);
      });

      it('is called in full: every public method of its resources', () => {
        expect(outcome.methods.length).toBeGreaterThan(40);
        expect(outcome.called).toEqual(outcome.methods);
        const prefix = flavour === 'async' ? 'Async' : '';
        const named = methodsOfGuide(/^`(\w+)`, `Async\1` \(Python\)$/).filter(([resource]) => resource !== 'Prompts');
        expect(named.map(([resource, name]) => `${prefix}${resource}.${name}`).sort()).toEqual(outcome.methods);
      });
    });
  });
});
