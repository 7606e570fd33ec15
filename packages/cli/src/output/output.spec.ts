import { stripVTControlCharacters } from 'node:util';
import { formatBytes, formatRate, formatSeconds, formatTime, printable } from './format.ts';
import { createProgress } from './progress.ts';
import { layOutTable } from './table.ts';

describe('numbers for people', () => {
  it('have few digits and a unit', () => {
    expect([0, 1023, 1024, 1536, 800 * 2 ** 20, 1.5 * 2 ** 30, 2 ** 20 - 1].map(formatBytes)).toEqual([
      '0 B',
      '1023 B',
      '1.0 KiB',
      '1.5 KiB',
      '800 MiB',
      '1.5 GiB',
      '1.0 MiB',
    ]);
    expect([1.25e6, 83.4e6].map(formatRate)).toEqual(['1.3 MB/s', '83 MB/s']);
    expect([0.4, 59.6, 200, 7500, 100_000].map(formatSeconds)).toEqual(['0 s', '1 min 0 s', '3 min 20 s', '2 h 5 min', '1 d 3 h']);
  });

  it('survive a time no calendar has', () => {
    expect(formatTime(1.8e16)).toBe('18000000000000000 ms');
  });

  it('carry no command to the terminal', () => {
    expect(printable('a\u001b]0;owned\u0007b\nc\u202e')).toBe('a?]0;owned?b?c?');
  });
});

describe('a table', () => {
  const columns = [
    { heading: 'NAME', shrink: true },
    { heading: 'COUNT', right: true },
    { heading: 'WHY', shrink: true },
  ];
  const rows = [
    ['db1', '3', 'because it is long and says much'],
    ['a-rather-long-name', '12', ''],
  ];

  it('is as wide as it needs', () => {
    expect(layOutTable(columns, rows)).toEqual([
      'NAME                COUNT  WHY',
      'db1                     3  because it is long and says much',
      'a-rather-long-name     12',
    ]);
  });

  it('is cut to the terminal, its widest column first, and numbers never', () => {
    expect(layOutTable(columns, rows, { width: 40 })).toEqual([
      'NAME             COUNT  WHY',
      'db1                  3  because it is l…',
      'a-rather-long-…     12',
    ]);
    expect(layOutTable(columns, rows, { width: 1 })[1]).toBe('db1         3  becau…');
  });
});

describe('a table with columns that may be left out', () => {
  const columns = [
    { heading: 'NAME', shrink: true },
    { heading: 'STATE' },
    { heading: 'WHY', shrink: true, optional: true },
    { heading: 'ID', optional: true },
  ];
  const rows = [['a-long-name', { text: 'failed', tone: 'bad' as const }, 'no space', '0123456789ab']];

  it('cuts first, and leaves out only then, the last one first', () => {
    expect(layOutTable(columns, rows)[0]).toBe('NAME         STATE   WHY       ID');
    expect(layOutTable(columns, rows, { width: 36 })).toEqual(['NAME    STATE   WHY     ID', 'a-lon…  failed  no sp…  0123456789ab']);
    expect(layOutTable(columns, rows, { width: 35 })).toEqual(['NAME         STATE   WHY', 'a-long-name  failed  no space']);
    expect(layOutTable(columns, rows, { width: 20 })).toEqual(['NAME         STATE', 'a-long-name  failed']);
    expect(layOutTable(columns, rows, { width: 5 })[1]).toBe('a-lon…  failed');
  });

  it('is as wide with colours as without', () => {
    const coloured = layOutTable(columns, rows, { width: 30, colours: true });
    expect(coloured.map((line) => stripVTControlCharacters(line).trimEnd())).toEqual(layOutTable(columns, rows, { width: 30 }));
    expect(coloured[1]).toContain('\u001b[31mfailed\u001b[0m');
  });
});

describe('progress', () => {
  const start = (isTTY: boolean) => {
    const written: string[] = [];
    const clock = { now: 0 };
    const progress = createProgress(
      { isTTY, columns: 60, write: (text) => written.push(text) },
      { label: 'sda', total: 1000 * 2 ** 20, now: () => clock.now },
    );
    return { written, clock, progress };
  };

  it('is redrawn on a terminal, within its width', () => {
    const { written, clock, progress } = start(true);
    clock.now = 50;
    progress.update(1);
    clock.now = 2000;
    progress.update(500 * 2 ** 20);
    progress.end();
    expect(written[0]).toBe('\r\u001b[2Ksda [############------------] 50 %  500 MiB of 1000 MiB  2');
    expect(written).toHaveLength(3);
    expect(written.at(-1)).toBe('\n');
  });

  it('says nothing of what never began', () => {
    const { written, progress } = start(true);
    progress.end();
    expect(written).toEqual([]);
  });

  it('is a plain line now and then elsewhere', () => {
    const { written, clock, progress } = start(false);
    for (clock.now = 0; clock.now <= 20_000; clock.now += 1000) progress.update((clock.now / 1000) * 50 * 2 ** 20);
    progress.end();
    expect(written).toEqual([
      'sda [############------------] 50 %  500 MiB of 1000 MiB  52 MB/s  10 s left\n',
      'sda [########################] 100 %  1000 MiB of 1000 MiB  52 MB/s  in 20 s\n',
      'sda [########################] 100 %  1000 MiB of 1000 MiB  50 MB/s  in 21 s\n',
    ]);
  });
});
