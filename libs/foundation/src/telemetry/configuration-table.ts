/** The options as documentation.   Control path: the schema is the only source, so that text and code cannot part ways. */
import type { z } from 'zod';
import { batchExportSchema, type OptionMeta, snakeCase, telemetryConfigSchema } from './config.js';

/** Two Markdown tables: the options of `TelemetryConfig`, and those of its `batchConfig`. */
export function configurationTable(): string {
  return [
    '### TelemetryConfig',
    '',
    ...optionTable(telemetryConfigSchema, CONFIGURATION_COLUMNS),
    '',
    '### BatchExportConfig (`batchConfig`, stored as `batch_config`)',
    '',
    ...optionTable(batchExportSchema, CONFIGURATION_COLUMNS),
    '',
  ].join('\n');
}

const COLUMNS = {
  option: ({ name }) => `\`${name}\``,
  'stored as': ({ name }) => `\`${snakeCase(name)}\``,
  type: ({ type }) => type,
  default: ({ initial }) => initial,
  unit: ({ meta }) => meta.unit ?? '',
  meaning: ({ meta }) => meta.meaning,
  'at run time': ({ name, meta }) => (name === 'batchConfig' ? '' : meta.changesAtRunTime ? 'yes' : 'restart'),
  'per tenant': ({ meta }) => (meta.perTenant ? 'yes' : ''),
  environment: ({ meta }) => (meta.environment ?? []).map((variable) => `\`${variable}\``).join(', '),
} as const satisfies Record<string, (option: Option) => string>;
export type OptionColumn = keyof typeof COLUMNS;
const CONFIGURATION_COLUMNS: readonly OptionColumn[] = [
  'option',
  'stored as',
  'type',
  'default',
  'unit',
  'meaning',
  'at run time',
  'per tenant',
  'environment',
];

interface Option {
  readonly name: string;
  readonly type: string;
  readonly initial: string;
  readonly meta: OptionMeta;
}

/** A column of the caller's own: what it says of a field's name. */
export interface NameColumn {
  readonly title: string;
  of(name: string): string;
}

/** The lines of a Markdown table with one row for each field of the schema. Each field has its `meaning` as metadata. */
export function optionTable(schema: z.ZodObject, columns: readonly (OptionColumn | NameColumn)[]): string[] {
  const body = Object.entries(schema.shape).map(([name, field]) => {
    const meta = (field as z.ZodType).meta() as unknown as OptionMeta;
    const option = { name, meta, ...typeAndDefault(field as z.ZodType) };
    return columns.map((column) => (typeof column === 'string' ? COLUMNS[column](option) : column.of(name)));
  });
  return alignedTable([columns.map((column) => (typeof column === 'string' ? column : column.title)), ...body]);
}

/** The lines of a Markdown table. The first row is its head. Columns of one width, as the formatter of this repository has them. */
export function alignedTable(rows: readonly (readonly string[])[]): string[] {
  const table = rows.map((cells) => cells.map((cell) => cell.replaceAll('|', '\\|')));
  const widths = table[0]!.map((_, column) => Math.max(...table.map((cells) => cells[column]!.length)));
  const lines = table.map((cells) => `| ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`);
  return [lines[0]!, `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`, ...lines.slice(1)];
}

function typeAndDefault(field: z.ZodType): { type: string; initial: string } {
  const definition = field.def as { type: string; innerType?: z.ZodType; defaultValue?: unknown };
  if (definition.type === 'prefault') return { type: 'object', initial: '' };
  if (definition.type !== 'default') return { type: typeName(field), initial: '' };
  return { type: typeName(definition.innerType!), initial: `\`${JSON.stringify(definition.defaultValue)}\`` };
}

function typeName(schema: z.ZodType): string {
  const definition = schema.def as {
    type: string;
    innerType?: z.ZodType;
    entries?: Record<string, string>;
    format?: string;
  };
  switch (definition.type) {
    case 'nullable':
      return `${typeName(definition.innerType!)} or null`;
    case 'enum':
      return Object.values(definition.entries!)
        .map((value) => `\`${value}\``)
        .join(', ');
    case 'number':
      return definition.format === 'safeint' ? 'integer' : 'number';
    case 'record':
      return 'object';
    default:
      return definition.type;
  }
}
