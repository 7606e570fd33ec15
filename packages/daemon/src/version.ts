/** The version of all programs of this tree. */
export const VERSION = '0.1.0';
