/** Values as people read them. Names come from whoever sent the spans: nothing in them may reach the terminal as a command. */

// Control characters, and those that reorder or hide text.
const UNSAFE = /[\p{Cc}\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu;

/** Text that a terminal shows and does not obey. */
export function safe(text: string): string {
  return text.replace(UNSAFE, (character) => `\\u${character.codePointAt(0)!.toString(16).padStart(4, '0')}`);
}

/** At most `width` characters, the last of them an ellipsis where something was cut. */
export function fit(text: string, width: number): string {
  const characters = [...text];
  return characters.length <= width ? text : `${characters.slice(0, Math.max(0, width - 1)).join('')}…`;
}

/** For example `820 µs`, `12.3 ms`, `4.56 s`, `2 min 5 s`. */
export function duration(millis: number): string {
  if (millis < 1) return `${Math.round(millis * 1000)} µs`;
  if (millis < 1000) return `${millis < 100 ? millis.toFixed(1) : Math.round(millis)} ms`;
  if (millis < 60_000) return `${(millis / 1000).toFixed(2)} s`;
  return `${Math.floor(millis / 60_000)} min ${Math.round((millis % 60_000) / 1000)} s`;
}

export function optionalDuration(millis: number | null): string {
  return millis === null ? '-' : duration(millis);
}

/** Nanoseconds since 1970 as `2026-01-31 12:00:00.123` in UTC. */
export function time(unixNano: bigint): string {
  return new Date(Number(unixNano / 1_000_000n)).toISOString().replace('T', ' ').replace('Z', '');
}

export function percent(fraction: number): string {
  return `${(fraction * 100).toFixed(1)} %`;
}

export function count(number: number, singular: string): string {
  return `${number.toLocaleString('en-US')} ${singular}${number === 1 ? '' : 's'}`;
}
