/** A word that bash takes literally. */
export const quoted = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;
