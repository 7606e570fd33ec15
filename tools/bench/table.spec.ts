import { createRow } from './row.ts';
import { formatTable } from './table.ts';

describe('the table', () => {
  it('lines up and shows nothing where there is nothing', () => {
    const rows = [
      createRow({ measure: 'append', unit: 'MB/s' }, [123.456, 123.456], { name: 'pipe', samples: [100, 120] }, { goal: { atLeast: 1 } }),
      createRow({ measure: 'RSS', unit: 'MB' }, [0, 0], undefined),
    ];
    expect(formatTable(rows).split('\n')).toEqual([
      'measure  value       against  ratio  spread         goal  stretch  met',
      'append   123.5 MB/s  pipe     1.132  1.029 – 1.235  >= 1           goal',
      'RSS      0 MB                        0 – 0',
    ]);
  });
});
