/** The package's version. Not read from its manifest, which a bundled application does not have. */
export const VERSION = '0.1.0';
