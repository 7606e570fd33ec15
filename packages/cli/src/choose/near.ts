/** How many letters have to be added, removed or changed to make one word of the other (Levenshtein). */
const distance = (a: string, b: string): number => {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1)
      next.push(Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length]!;
};

/** Longer words are nobody's typing mistake. */
const LONGEST = 100;
const MOST = 3;

/** The names somebody may have meant, nearest first. */
export const nearNames = (word: string, names: readonly string[]): string[] => {
  const wanted = word.slice(0, LONGEST).toLowerCase();
  const limit = Math.max(1, Math.floor(wanted.length / 3));
  return [...new Set(names)]
    .map((name) => ({ name, far: distance(wanted, name.slice(0, LONGEST).toLowerCase()) }))
    .filter(({ far }) => far <= limit)
    .sort((a, b) => a.far - b.far)
    .slice(0, MOST)
    .map(({ name }) => name);
};

/** ` did you mean db1?`, or what there is to choose from when nothing is near. */
export const suggestion = (word: string, names: readonly string[]): string => {
  const near = nearNames(word, names);
  if (near.length > 0) return `did you mean ${near.join(' or ')}?`;
  if (names.length === 0) return 'there is none';
  const shown = names.slice(0, 8);
  return `there ${names.length === 1 ? 'is' : 'are'} ${shown.join(', ')}${names.length > shown.length ? ` and ${names.length - shown.length} more` : ''}`;
};
