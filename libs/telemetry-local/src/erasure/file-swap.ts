/** Marks a failure between a file's closing and its opening anew: the store is then without it, and only a new start helps.   Erasure: [file-swap]. */

export class FileSwapError extends Error {}

/** Errors: `FileSwapError`, whatever failed. */
export async function swapped(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (cause) {
    throw new FileSwapError(`A file of the store could not be exchanged: ${(cause as Error).message}`, { cause });
  }
}
