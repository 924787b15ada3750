/** Nanoseconds as people and JSON write them.   Meta store, metrics. */

/** ISO 8601 in UTC: with milliseconds, and to the nanosecond where there is more. */
export function isoTime(nanos: bigint): string {
  const iso = new Date(Number(nanos / 1_000_000n)).toISOString();
  const rest = nanos % 1_000_000n;
  return rest === 0n ? iso : `${iso.slice(0, -1)}${rest.toString().padStart(6, '0')}Z`;
}
