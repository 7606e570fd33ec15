import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { bitsOf, watchHeldTags } from './held-tags.ts';

const rest = ' 0000 0000 0000 0000 0000 0000 0000';
const line = (first: string): string => `00000000: ${first}${rest}\n`;

describe('bits of a bitmap of tags', () => {
  it('are its bytes', () => {
    expect(bitsOf(line('ff01'))).toHaveLength(16);
    expect([...bitsOf(line('ff01'))!.subarray(0, 3)]).toEqual([0xff, 0x01, 0]);
    expect([...bitsOf(`${line('0000')}00000010: 80\n`)!.subarray(15)]).toEqual([0, 0x80]);
  });

  it.each(['', 'no bitmap\n', '00000000:\n', '00000000: ff0\n', '00000000: 00', '0000: 00\n', `${line('0000')}oops`])(
    'are none of %j',
    (text) => {
      expect(bitsOf(text)).toBeUndefined();
    },
  );
});

describe('held tags', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'holdfast-tags-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const write = (queue: number, text: string): void => {
    mkdirSync(path.join(folder, 'sda', `hctx${queue}`), { recursive: true });
    writeFileSync(path.join(folder, 'sda', `hctx${queue}`, 'tags_bitmap'), text);
  };

  it('are free once each was seen so, of a disk that is never idle too', () => {
    write(0, line('0300'));
    write(1, line('0001'));
    const watch = watchHeldTags('sda', folder);
    expect(watch.isOver()).toBe(false);
    write(0, line('0600'));
    expect(watch.isOver()).toBe(false);
    write(0, line('0500'));
    expect(watch.isOver()).toBe(false);
    // Both of the first queue were free once; that of the second was not.
    write(1, line('0080'));
    expect(watch.isOver()).toBe(true);
    write(0, line('ffff'));
    expect(watch.isOver()).toBe(true);
  });

  it('are free at once where none is held', () => {
    write(0, line('0000'));
    expect(watchHeldTags('sda', folder).isOver()).toBe(true);
  });

  it('are never known where the kernel does not show them, or shows something else', () => {
    expect(watchHeldTags('sda', folder).isOver()).toBe(false);
    mkdirSync(path.join(folder, 'sda'));
    expect(watchHeldTags('sda', folder).isOver()).toBe(false);
    write(0, 'what is this\n');
    expect(watchHeldTags('sda', folder).isOver()).toBe(false);
    write(0, line('0000').repeat(200));
    expect(watchHeldTags('sda', folder).isOver()).toBe(false);
  });

  it('are not known any more once a queue has another depth', () => {
    write(0, line('0100'));
    const watch = watchHeldTags('sda', folder);
    write(0, line('0000') + line('0000'));
    expect(watch.isOver()).toBe(false);
    write(0, line('0000'));
    expect(watch.isOver()).toBe(false);
    watch.close();
  });
});
