/** What the two sides say: the codes of packages/errors and the text of docs/errors.md. */
type Codes = Readonly<Record<string, { readonly exit: number; readonly retryable: boolean }>>;

/** Statuses that belong to no code: all went well, and the command ran but what it looked at is not well. */
const OTHER_STATUSES = [0, 1];

/** The line every section starts with. */
const factsOf = ({ exit, retryable }: Codes[string]): string =>
  `Exit status ${exit}. ${retryable ? 'May be retried unchanged.' : 'Retrying unchanged does not help.'}`;

const sectionsOf = (text: string): { heading: string; body: string }[] =>
  text
    .split(/^## /m)
    .slice(1)
    .map((section) => {
      const end = section.indexOf('\n');
      return { heading: section.slice(0, end).trim(), body: section.slice(end).trim() };
    });

/** Everything in which docs/errors.md and the list of codes do not agree; empty when the page is complete and right. */
export const compareErrorDocs = (codes: Codes, text: string): string[] => {
  const problems: string[] = [];
  const sections = sectionsOf(text).filter(({ heading }) => /^[A-Z0-9_]+$/.test(heading));
  const headings = sections.map(({ heading }) => heading);
  for (const code of Object.keys(codes)) if (!headings.includes(code)) problems.push(`${code} has no heading`);
  headings.forEach((heading, index) => {
    if (!Object.hasOwn(codes, heading)) problems.push(`${heading} is no code`);
    if (headings.indexOf(heading) !== index) problems.push(`${heading} has two headings`);
  });
  if (headings.join() !== headings.toSorted().join()) problems.push('the headings are not in alphabetical order');

  for (const { heading, body } of sections) {
    const facts = codes[heading];
    if (facts === undefined) continue;
    if (!body.startsWith(factsOf(facts))) problems.push(`${heading} must begin with "${factsOf(facts)}"`);
    for (const part of ['**What happened.**', '**Why.**', '**What to do.**']) {
      if (!body.includes(part)) problems.push(`${heading} has no ${part}`);
    }
  }

  const listed = [...text.matchAll(/^\| (\d+) \|/gm)].map(([, status]) => Number(status));
  const wanted = [...new Set([...OTHER_STATUSES, ...Object.values(codes).map(({ exit }) => exit)])].sort((a, b) => a - b);
  if (listed.join() !== wanted.join())
    problems.push(`the table of exit statuses lists ${listed.join(', ')} instead of ${wanted.join(', ')}`);
  return problems;
};
