/** Changes share a transaction, and each hears of its own fault only. */
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { beforeEach, expect, it, onTestFinished } from 'vitest';
import { CommitQueue } from '../../dist/meta/commit-queue.js';

class Refusal extends Error {}

let connection: DuckDBConnection;
let statements: string[];
let queue: CommitQueue;
beforeEach(async () => {
  const instance = await DuckDBInstance.create(':memory:');
  connection = await instance.connect();
  onTestFinished(() => {
    connection.closeSync();
    instance.closeSync();
  });
  await connection.run('CREATE TABLE t (n INTEGER PRIMARY KEY)');
  statements = [];
  const run = connection.run.bind(connection);
  connection.run = ((sql: string, ...rest: []) => {
    statements.push(sql.split(' ')[0]!);
    return run(sql, ...rest);
  }) as typeof connection.run;
  queue = new CommitQueue(
    connection,
    (error) => error instanceof Refusal,
    (commit) => commit(),
  );
});

const insert = (n: number) => async (on: DuckDBConnection) => {
  await on.run(`INSERT INTO t VALUES (${n})`);
  return n;
};
const stored = async () =>
  (await connection.runAndReadAll('SELECT n FROM t ORDER BY n')).getRows().map(([n]) => n as number);

it('commits what waited together, in its order', async () => {
  const first = queue.commit(insert(1));
  const rest = Promise.all([2, 3, 4].map((n) => queue.commit(insert(n))));
  expect(await first).toBe(1);
  expect(await rest).toEqual([2, 3, 4]);
  expect(statements).toEqual(['BEGIN', 'INSERT', 'COMMIT', 'BEGIN', 'INSERT', 'INSERT', 'INSERT', 'COMMIT']);
  expect(await stored()).toEqual([1, 2, 3, 4]);
});

it('a change that refuses takes no other with it', async () => {
  const refused = queue.commit(async () => {
    throw new Refusal('the name is taken');
  });
  const results = await Promise.allSettled([queue.commit(insert(1)), refused, queue.commit(insert(2))]);
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(await stored()).toEqual([1, 2]);
});

it('a change that the database refuses takes no other with it', async () => {
  const before = queue.commit(insert(1));
  const results = await Promise.allSettled([insert(2), insert(1), insert(3)].map((change) => queue.commit(change)));
  await before;
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(await stored()).toEqual([1, 2, 3]);
  expect(await queue.commit(insert(4))).toBe(4);
});

it('waits for what is under way', async () => {
  const done: number[] = [];
  for (const n of [1, 2, 3]) void queue.commit(insert(n)).then((value) => done.push(value));
  await queue.drained();
  expect(done).toEqual([1, 2, 3]);
  await queue.drained();
});
