import { parseProcessorList } from './processors.ts';

describe('parseProcessorList', () => {
  it.each([
    ['0', [0]],
    ['0-3', [0, 1, 2, 3]],
    ['0,2-3,9', [0, 2, 3, 9]],
    ['', []],
    ['(null)', []],
  ])('reads %p', (text, expected) => {
    expect(parseProcessorList(text)).toEqual(expected);
  });
});
