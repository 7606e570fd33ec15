import { table } from './table.ts';

describe('tables', () => {
  it('are as wide as their widest cells', () => {
    expect(
      table(
        ['point', 'rows'],
        [
          ['1', '12,000'],
          ['22', '5'],
        ],
        ['rows'],
      ),
    ).toEqual(['point    rows', '-----  ------', '1      12,000', '22          5']);
  });
});
