import { ERROR_CODES } from './codes.ts';

describe('the list of codes', () => {
  const codes = Object.keys(ERROR_CODES);

  it('is alphabetical, so that two people adding codes meet in the same place', () => {
    expect(codes).toEqual(codes.toSorted());
  });

  it.each(Object.entries(ERROR_CODES))('%s has an exit status that a shell keeps and that is not success', (code, { exit }) => {
    expect(code).toMatch(/^[A-Z]+(_[A-Z]+)*$/);
    // 126 and 127 are the shell's own; above 128 are signals, of which only Ctrl-C is ours; 1 is for findings, not for errors.
    expect(exit === 130 || (exit >= 2 && exit <= 125)).toBe(true);
  });
});
