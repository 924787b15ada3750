/** Options of `serve` that come from the schemas of server and store, so that each is declared once.   Control path: schema -> [tuning-options] -> serve. */
import { limitsSchema } from '@cogniverse/server/options';
import { localStoreSchema } from '@cogniverse/telemetry-local/store';
import { InvalidArgumentError, Option } from 'commander';
import type { z } from 'zod';

/** `limits` are the server's own, `store` those of the embedded store; also the sections of a configuration file. */
export const SECTIONS = {
  limits: { heading: 'Limits of the server:', schema: limitsSchema },
  store: { heading: 'The store:', schema: localStoreSchema.omit({ dataDir: true }) },
} as const;
export type Section = keyof typeof SECTIONS;

/** `maxWireBytes` as `--max-wire-bytes`. */
export function flagOf(name: string): string {
  return `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** `maxWireBytes` as `COGNIVERSE_MAX_WIRE_BYTES`. */
export function variableOf(name: string): string {
  return `COGNIVERSE_${name.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

export interface TuningOption {
  readonly section: Section;
  readonly name: string;
  readonly option: Option;
}

/** One option for each field; without a default of its own, so that what is not given stays with file and schema. */
export function tuningOptions(): TuningOption[] {
  return (Object.keys(SECTIONS) as Section[]).flatMap((section) =>
    Object.entries(SECTIONS[section].schema.shape as Record<string, z.ZodType>).map(([name, field]) => ({
      section,
      name,
      option: optionOf(section, name, field),
    })),
  );
}

function optionOf(section: Section, name: string, field: z.ZodType): Option {
  const { meaning = '', unit } = field.meta() as { meaning?: string; unit?: string };
  const initial = `${field.parse(undefined)}${unit === undefined ? '' : ` ${unit}`}`;
  return new Option(`${flagOf(name)} <n>`, `${meaning.replaceAll('`', '')} (default: ${initial})`)
    .env(variableOf(name))
    .helpGroup(SECTIONS[section].heading)
    .argParser((text) => {
      const parsed = field.safeParse(/^-?\d+$/.test(text) ? Number(text) : text);
      if (parsed.success) return parsed.data;
      throw new InvalidArgumentError(`${parsed.error.issues[0]!.message}.`);
    });
}
