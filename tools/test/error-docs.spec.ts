import { compareErrorDocs } from './error-docs.ts';

const CODES = { A_FIRST: { exit: 4, retryable: false }, B_SECOND: { exit: 9, retryable: true } };

const section = (code: string, facts: string) => `## ${code}\n\n${facts}\n\n**What happened.** x\n\n**Why.** y\n\n**What to do.** z\n`;

const FIRST = section('A_FIRST', 'Exit status 4. Retrying unchanged does not help.');
const SECOND = section('B_SECOND', 'Exit status 9. May be retried unchanged.');
const TABLE = '## Exit statuses\n\n| status | meaning |\n|---|---|\n| 0 | a |\n| 1 | b |\n| 4 | c |\n| 9 | d |\n\n';

describe('the page of errors', () => {
  it('is right when it has every code, once, with its facts', () => {
    expect(compareErrorDocs(CODES, `# Errors\n\n${TABLE}${FIRST}${SECOND}`)).toEqual([]);
  });

  it.each([
    ['a code without a heading', TABLE + FIRST, 'B_SECOND has no heading'],
    ['a heading without a code', TABLE + FIRST + SECOND + section('C_THIRD', 'Exit status 4.'), 'C_THIRD is no code'],
    ['another heading without a code', TABLE + FIRST + SECOND + section('VALUE_OF', ''), 'VALUE_OF is no code'],
    ['two headings', TABLE + FIRST + FIRST + SECOND, 'A_FIRST has two headings'],
    ['another order', TABLE + SECOND + FIRST, 'the headings are not in alphabetical order'],
    [
      'another status',
      TABLE + FIRST.replace('status 4', 'status 5') + SECOND,
      'A_FIRST must begin with "Exit status 4. Retrying unchanged does not help."',
    ],
    [
      'another retry',
      TABLE + FIRST + SECOND.replace('May be retried', 'Never retry'),
      'B_SECOND must begin with "Exit status 9. May be retried unchanged."',
    ],
    ['no remedy', TABLE + FIRST.replace('**What to do.**', '') + SECOND, 'A_FIRST has no **What to do.**'],
    [
      'a status missing in the table',
      TABLE.replace('| 9 | d |\n', '') + FIRST + SECOND,
      'the table of exit statuses lists 0, 1, 4 instead of 0, 1, 4, 9',
    ],
    [
      'a status too many in the table',
      `${TABLE.trimEnd()}\n| 10 | e |\n\n${FIRST}${SECOND}`,
      'the table of exit statuses lists 0, 1, 4, 9, 10 instead of 0, 1, 4, 9',
    ],
  ])('is refused: %s', (_case, text, problem) => {
    expect(compareErrorDocs(CODES, text)).toEqual([problem]);
  });
});
