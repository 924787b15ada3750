/**
 * Collects the values of a statement: what comes from outside is bound, never written into SQL.   Read path: query -> [sql-builder] -> database.
 */
import type { DuckDBValue } from '@duckdb/node-api';
import type { SqlParameters } from '../database.js';

export class SqlBuilder {
  readonly parameters: SqlParameters = {};
  #count = 0;

  /** Binds a value. Gives the text that stands for it. */
  bind(value: DuckDBValue): string {
    const name = `p${this.#count++}`;
    this.parameters[name] = value;
    return `$${name}`;
  }

  /** SQL: the column holds one of the values; false for an empty list. */
  anyOf(column: string, values: readonly DuckDBValue[]): string {
    if (values.length === 0) return 'false';
    if (values.length === 1) return `${column} = ${this.bind(values[0]!)}`;
    return `${column} IN (${values.map((value) => this.bind(value)).join(', ')})`;
  }
}
