import { renderCsv } from './csv.ts';

describe('comma-separated values', () => {
  it('have a column for each field, also of objects within, and quote what needs it', () => {
    const rows = [
      { id: 'a', machine: { name: 'db1', id: 'x' }, text: 'said "no", twice\nand went', steps: [], done: 0.5, problem: null },
      { id: 'b', machine: null, text: '', steps: [{ name: 's' }], done: 1, problem: { code: 'DAMAGED' } },
    ];
    expect(renderCsv(rows)).toBe(
      'id,machine.name,machine.id,text,steps,done,problem,machine,problem.code\r\n' +
        'a,db1,x,"said ""no"", twice\nand went",,0.5,,,\r\n' +
        'b,,,,"[{""name"":""s""}]",1,,,DAMAGED\r\n',
    );
  });

  it('hold no formula that somebody else wrote, and leave numbers alone', () => {
    expect(renderCsv([{ name: '=HYPERLINK("http://x")', level: -3 }])).toBe('name,level\r\n"\'=HYPERLINK(""http://x"")",-3\r\n');
  });

  it('are one row of something that is no list, and nothing of an empty one', () => {
    expect([renderCsv({ a: 1 }), renderCsv([])]).toEqual(['a\r\n1\r\n', '']);
  });
});
