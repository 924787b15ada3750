/** What a check of `cogniverse doctor` found out. */

export interface Finding {
  /** Which check, in a word or two. */
  readonly check: string;
  readonly level: 'ok' | 'warning' | 'error';
  readonly message: string;
  /** What to do about it; empty where all is well. */
  readonly remedy: string;
}

export function ok(check: string, message: string): Finding {
  return { check, level: 'ok', message, remedy: '' };
}

export function warning(check: string, message: string, remedy: string): Finding {
  return { check, level: 'warning', message, remedy };
}

export function failure(check: string, message: string, remedy: string): Finding {
  return { check, level: 'error', message, remedy };
}
