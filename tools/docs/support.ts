import { CHECKS, type Check, type Checker } from '@holdfast/protocol';

const HEAD = `# Support: what a protection needs

<!-- Made by \`npm run docs\` from the table of checks (packages/protocol/src/checks/checks.ts); a spec compares both. -->

All of this is looked at at once before a machine is protected: \`holdfast protect MACHINE --vault V --check-only\` only looks, \`protect\` refuses with
\`PREREQUISITES_MISSING\` and everything that failed. Of a protected machine it is looked at every twelve hours (\`checks.every\`), and with \`holdfast machine check MACHINE\`; what
fails then is the alert \`prerequisites-missing\`. A *failure* stops a protection from beginning; with a *warning* it is less good than it could be.
`;

const WHO: readonly (readonly [Checker, string])[] = [
  ['configuration server', 'What the configuration server sees'],
  ['agent', 'What the agent finds on its machine'],
  ['process server', 'What the process server finds'],
];

const row = ([code, { needs, otherwise, remedy }]: readonly [string, Check]): string =>
  `| \`${code}\` | ${needs} | ${otherwise} | ${remedy} |`;

/** docs/support.md. */
export const supportMarkdown = (): string => {
  const checks: readonly (readonly [string, Check])[] = Object.entries(CHECKS);
  const part = ([who, title]: (typeof WHO)[number]): string => {
    const rows = checks.filter(([, { by }]) => by === who).map(row);
    return `\n## ${title}\n\n| code | needed | otherwise | what to do |\n|---|---|---|---|\n${rows.join('\n')}\n`;
  };
  return HEAD + WHO.map(part).join('');
};
