/** "pointInterval" as it stands in files and flags: "point-interval". */
export const kebab = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** "point-interval" or "pointInterval" as it stands in the environment: "POINT_INTERVAL". */
export const environmentPart = (name: string): string => kebab(name).replaceAll('-', '_').toUpperCase();

export const ENVIRONMENT_PREFIX = 'HOLDFAST_';

/** The environment variable of a path of names: ["journal", "quota"] is HOLDFAST_JOURNAL_QUOTA. */
export const environmentName = (...names: readonly string[]): string => ENVIRONMENT_PREFIX + names.map(environmentPart).join('_');

/** What users may call an entry of a table. */
export const ENTRY_NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** Number of insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`. */
const distance = (a: string, b: string): number => {
  const rows = Array.from({ length: a.length + 1 }, (_, i) => [i, ...Array<number>(b.length).fill(0)]);
  for (let j = 0; j <= b.length; j++) rows[0]![j] = j;
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const replaced = rows[i - 1]![j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      let best = Math.min(rows[i - 1]![j]! + 1, rows[i]![j - 1]! + 1, replaced);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) best = Math.min(best, rows[i - 2]![j - 2]! + 1);
      rows[i]![j] = best;
    }
  }
  return rows[a.length]![b.length]!;
};

/** Names are compared in full length only up to this many characters. */
const LONGEST = 100;

/** The known name that was probably meant by `name`: half of it is the same, or it is a part. Undefined when there is none. */
export const nearestName = (name: string, known: readonly string[]): string | undefined => {
  const wanted = name.slice(0, LONGEST);
  const ranked = known
    .map((candidate) => ({ candidate, far: distance(wanted, candidate) }))
    .filter(({ candidate, far }) => far <= Math.max(wanted.length, candidate.length) / 2 || candidate.includes(wanted));
  return ranked.toSorted((a, b) => a.far - b.far || a.candidate.localeCompare(b.candidate))[0]?.candidate;
};
