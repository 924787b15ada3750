/** Where the write path says what went wrong.   A logger that throws costs its line, never a span. */

export interface PipelineLogger {
  warn(message: string): void;
}

export const consoleLogger: PipelineLogger = { warn: (message) => console.warn(message) };

/** The same logger, that never throws; `failures` counts the lines it lost. */
export class FencedLogger implements PipelineLogger {
  readonly #inner: PipelineLogger;
  readonly #warned = new Set<string>();
  failures = 0;
  constructor(inner: PipelineLogger) {
    this.#inner = inner;
  }
  warn(message: string): void {
    try {
      this.#inner.warn(`[cogniverse telemetry] ${escapeControls(message)}`);
    } catch {
      this.failures += 1;
    }
  }
  /** One line a key. Keys are few and the program's own, never what a caller gives. */
  warnOnce(key: string, message: string): void {
    if (this.#warned.has(key)) return;
    this.#warned.add(key);
    this.warn(message);
  }
}

/** Control characters as escapes, at most 2,000 characters: what a backend or a tenant id says never forges a line or moves a cursor. */
export function escapeControls(text: string): string {
  const cut = text.length > 2000 ? `${text.slice(0, 2000)}...` : text;
  return cut.replace(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
    /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
