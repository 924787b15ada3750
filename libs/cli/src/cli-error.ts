/** A failure that the user can act on: printed as a sentence, exit code 1. */
export class CliError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'CliError';
  }
}

/** A value that cannot be read and that only the command itself looks at, such as one from the environment: exit code 2. */
export class UsageError extends CliError {}

/** A command that did its work and has bad news, which it has told already: exit code 1 and not a word more. */
export class BadNews extends Error {}
