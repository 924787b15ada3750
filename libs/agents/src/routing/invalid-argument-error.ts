/** What a caller gave cannot be used.   Thrown where statistics are set up or read, never where they are recorded. */
export class InvalidArgumentError extends RangeError {
  /** Stable; branch on it, never on the message. */
  readonly code = 'invalid_argument';
  override readonly name = 'InvalidArgumentError';
}
