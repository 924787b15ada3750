/**
 * Makes docs/images/demo.png: what a terminal shows at the end of the demo, from its text with colours.
 *
 *   FORCE_COLOR=1 npm start --silent -- --once --data "$(mktemp -d)" | node scripts/demo-image.mjs
 *
 * Needs Chromium: `chromium` in the PATH, or its path in CHROMIUM. Shown are the slowest trace of the first tenant and all that follows the traces.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text as readAll } from 'node:stream/consumers';
import { fileURLToPath, pathToFileURL } from 'node:url';

const picture = fileURLToPath(new URL('../docs/images/demo.png', import.meta.url));
const FONT_PX = 14;
const LINE_PX = 20;
/** Advance of a character of the fonts named below, over their size. */
const ADVANCE = 0.602;
const PADDING_PX = 20;
const BAR_PX = 34;

/** Select Graphic Rendition codes that the demo uses, as styles; what ends a style has none. */
const STYLES = {
  1: 'font-weight:bold',
  2: 'color:#7d8590',
  31: 'color:#ff7b72',
  32: 'color:#7ee787',
  33: 'color:#e3b341',
  36: 'color:#56d4dd',
};

/** Select Graphic Rendition. */
const ESCAPE = new RegExp(`(${String.fromCharCode(27)}\\[[\\d;]*m)`);

function htmlOf(line) {
  let html = '';
  let style = '';
  for (const part of line.split(ESCAPE)) {
    if (ESCAPE.test(part)) style = STYLES[part.slice(2, -1)] ?? '';
    else if (part !== '') {
      const safe = part.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
      html += style === '' ? safe : `<span style="${style}">${safe}</span>`;
    }
  }
  return html;
}

/** The traces are one paragraph each; of them the first is kept. */
function endOf(output) {
  const paragraphs = output.trim().split(/\n\n+/);
  const traces = paragraphs.filter((paragraph) => paragraph.startsWith('Slowest trace of '));
  if (traces.length === 0) throw new Error('Standard input is not the output of the demo: it shows no slowest trace.');
  return [traces[0], ...paragraphs.slice(paragraphs.lastIndexOf(traces.at(-1)) + 1)].join('\n\n').split('\n');
}

const lines = ['$ npm start -- --once', '\u001b[2m...\u001b[0m', '', ...endOf(await readAll(process.stdin))];
const columns = Math.max(
  ...lines.map(
    (line) =>
      line
        .split(ESCAPE)
        .filter((part) => !ESCAPE.test(part))
        .join('').length,
  ),
);
const width = Math.ceil(columns * FONT_PX * ADVANCE) + 2 * PADDING_PX;
const height = lines.length * LINE_PX + 2 * PADDING_PX + BAR_PX;
const dots = ['#ff5f57', '#febc2e', '#28c840']
  .map((color) => `<i style="background:${color};width:12px;height:12px;border-radius:50%"></i>`)
  .join('');
const page = `<!doctype html><meta charset="utf-8"><style>
* { margin: 0; box-sizing: border-box } body { background: #0d1117; width: ${width}px; height: ${height}px; overflow: hidden }
header { background: #1c2129; height: ${BAR_PX}px; padding: 11px 14px; display: flex; gap: 8px }
pre { font: ${FONT_PX}px/${LINE_PX}px 'DejaVu Sans Mono', 'Menlo', monospace; color: #e6edf3; padding: ${PADDING_PX}px }
</style><header>${dots}</header><pre>${lines.map(htmlOf).join('\n')}</pre>`;

const directory = mkdtempSync(join(tmpdir(), 'cogniverse-picture-'));
try {
  const file = join(directory, 'demo.html');
  writeFileSync(file, page);
  const chromium = spawn(
    process.env.CHROMIUM ?? 'chromium',
    [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--hide-scrollbars',
      '--force-device-scale-factor=2',
      `--user-data-dir=${join(directory, 'profile')}`,
      `--window-size=${width},${height}`,
      `--screenshot=${picture}`,
      pathToFileURL(file).href,
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const complaints = readAll(chromium.stderr);
  const [code] = await once(chromium, 'exit');
  if (code !== 0) throw new Error(`Chromium ended with ${code}: ${await complaints}`);
} finally {
  rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
}
