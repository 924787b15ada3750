/** What both subjects record: the same spans, in the same bursts. */
export const BURST = 256;
/** Both are measured as they run for hours, not while their code is being compiled. */
const WARM_UP_SPANS = 100_000;
export const attributesOf = (i) => ({
  'openinference.span.kind': 'RETRIEVER',
  'operation.name': 'search.execute',
  query: `State of the union, year ${1790 + (i % 230)}`,
  top_k: 10,
  top_score: 0.5 + (i % 100) / 250,
});
export const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

/** Records `count` spans over `tenants`, flushes, and prints what it took. */
export async function measure(count, tenants, record, flush, extra = () => ({})) {
  const warmUp = Math.min(WARM_UP_SPANS, count);
  for (let i = 0; i < warmUp; i += 1) {
    record(i, i % tenants);
    if (i % BURST === BURST - 1) await nextTurn();
  }
  await flush();
  const cpuBefore = process.cpuUsage();
  const started = process.hrtime.bigint();
  for (let i = 0; i < count; i += 1) {
    record(i, i % tenants);
    if (i % BURST === BURST - 1) await nextTurn();
  }
  const recorded = process.hrtime.bigint();
  await flush();
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  const cpu = process.cpuUsage(cpuBefore);
  process.stdout.write(
    `${JSON.stringify({
      spans: count,
      total: count + warmUp,
      seconds,
      recordSeconds: Number(recorded - started) / 1e9,
      cpuMicrosPerSpan: (cpu.user + cpu.system) / count,
      rssMegabytes: process.memoryUsage().rss / 1e6,
      ...extra(),
    })}\n`,
  );
}
