/** Where a command writes: results on standard output, everything else on standard error. */
import { createColors } from 'picocolors';

export interface Terminal {
  /** One result line. */
  line(text: string): void;
  /** One line for people that is not a result. */
  note(text: string): void;
  /** How far long work came, in one line that the next one takes the place of; empty ends it. Nothing where standard error is no terminal. */
  status(text: string): void;
  /** Whether results go to a person rather than a program. */
  readonly isInteractive: boolean;
  /** Characters a line may have. */
  readonly width: number;
  readonly colors: ReturnType<typeof createColors>;
}

/** Colours on a terminal only; NO_COLOR turns them off, FORCE_COLOR on (https://no-color.org). */
export function wantsColors(env: NodeJS.ProcessEnv, isTerminal: boolean): boolean {
  if (env['NO_COLOR']) return false;
  if (env['FORCE_COLOR']) return env['FORCE_COLOR'] !== '0';
  return isTerminal && env['TERM'] !== 'dumb';
}

/** For text that goes to this stream. */
export function colorsFor(stream: NodeJS.WriteStream): Terminal['colors'] {
  return createColors(wantsColors(process.env, stream.isTTY === true));
}

export function processTerminal(): Terminal {
  // A reader that has seen enough (`| head`) closes the pipe: that is no failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(0);
  });
  const isInteractive = process.stdout.isTTY === true;
  const status = new StatusLine(process.stderr);
  return {
    line: (text) => {
      status.show('');
      process.stdout.write(`${text}\n`);
    },
    note: (text) => {
      status.show('');
      process.stderr.write(`${text}\n`);
    },
    status: (text) => status.show(text),
    isInteractive,
    width: process.stdout.columns ?? 120,
    colors: colorsFor(process.stdout),
  };
}

/** Often enough to be seen to move. */
const STATUS_INTERVAL_MILLIS = 100;

class StatusLine {
  readonly #stream: NodeJS.WriteStream;
  #shownAt = 0;
  #isShown = false;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
  }

  show(text: string): void {
    if (this.#stream.isTTY !== true || process.env['TERM'] === 'dumb') return;
    const now = Date.now();
    if (text === '') {
      if (this.#isShown) this.#stream.write('\r\u001b[K');
      this.#isShown = false;
      this.#shownAt = 0;
    } else if (now - this.#shownAt >= STATUS_INTERVAL_MILLIS) {
      this.#shownAt = now;
      this.#isShown = true;
      this.#stream.write(`\r\u001b[K${text.slice(0, (this.#stream.columns ?? 80) - 1)}`);
    }
  }
}
