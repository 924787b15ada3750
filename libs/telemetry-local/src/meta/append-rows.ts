/** Many rows at once into a table of the meta database.   Meta store: data sets, splits, imports -> [append-rows] -> meta database. */
import type { DuckDBConnection } from '@duckdb/node-api';

/** As the columns of the table take it; a number becomes an INTEGER or a DOUBLE. */
export type ColumnValue = string | number | bigint | boolean | null;

/** Rows with the columns of the table, in their order. */
export async function appendRows(
  connection: DuckDBConnection,
  table: string,
  rows: readonly (readonly ColumnValue[])[],
): Promise<void> {
  if (rows.length === 0) return;
  const appender = await connection.createAppender(table, 'main', 'meta');
  for (const row of rows) {
    for (const value of row) {
      if (value === null) appender.appendNull();
      else if (typeof value === 'string') appender.appendVarchar(value);
      else if (typeof value === 'bigint') appender.appendBigInt(value);
      else if (typeof value === 'boolean') appender.appendBoolean(value);
      else appender.appendDouble(value);
    }
    appender.endRow();
  }
  appender.closeSync();
}
