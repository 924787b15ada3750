/** The options as documentation.   Control path: the schema is the only source, so that text and code cannot part ways. */
import type { z } from 'zod';
import { batchExportSchema, snakeCase, telemetryConfigSchema } from './config.js';

/** Two Markdown tables: the options of `TelemetryConfig`, and those of its `batchConfig`. */
export function configurationTable(): string {
  return [
    '### TelemetryConfig',
    '',
    ...rows(telemetryConfigSchema),
    '',
    '### BatchExportConfig (`batchConfig`, stored as `batch_config`)',
    '',
    ...rows(batchExportSchema),
    '',
  ].join('\n');
}

function rows(schema: z.ZodObject): string[] {
  const body = Object.entries(schema.shape).map(([name, field]) => {
    const meta = (field as z.ZodType).meta() as { unit?: string; meaning: string; environment?: string[] };
    const { type, initial } = typeAndDefault(field as z.ZodType);
    const environment = (meta.environment ?? []).map((variable) => `\`${variable}\``).join(', ');
    return [`\`${name}\``, `\`${snakeCase(name)}\``, type, initial, meta.unit ?? '', meta.meaning, environment];
  });
  const head = ['option', 'stored as', 'type', 'default', 'unit', 'meaning', 'environment'];
  const table = [head, ...body].map((cells) => cells.map((cell) => cell.replaceAll('|', '\\|')));
  // Columns of one width, as the formatter of this repository has them.
  const widths = head.map((_, column) => Math.max(...table.map((cells) => cells[column]!.length)));
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
