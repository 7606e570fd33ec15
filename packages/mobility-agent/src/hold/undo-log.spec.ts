import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { releaseLeft } from './release-left.ts';
import { openUndoLog, readUndoLog, type Undo } from './undo-log.ts';

describe('the log of what is to be taken back', () => {
  let folder: string;
  let file: string;
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'holdfast-undo-'));
    file = path.join(folder, 'log');
  });
  afterEach(() => rmSync(folder, { recursive: true }));
  const write = (name: string, text: string): Undo => ({ kind: 'write', file: path.join(folder, name), text });

  it('is taken back newest first, without what was cancelled and what was not written to its end', async () => {
    const log = openUndoLog(file)!;
    log.note(write('a', 'first'));
    const cancelled = log.note(write('b', 'never'));
    appendFileSync(file, '{"note":{"number":2,"un');
    log.note(write('a', 'second'));
    log.cancel(cancelled);
    log.close();
    appendFileSync(file, '{"note":{"number":9,"undo":{"ki');
    expect(readUndoLog(file)).toEqual([write('a', 'second'), write('a', 'first')]);
    expect(await releaseLeft(file)).toMatchObject({ undone: [{}, {}], problems: [] });
    expect(readFileSync(path.join(folder, 'a'), 'utf8')).toBe('first');
    expect(await releaseLeft(file)).toEqual({ undone: [], problems: [] });
  });

  it('is left to its maker as long as that one lives, and names what cannot be taken back', async () => {
    const log = openUndoLog(file)!;
    log.note({ kind: 'write', file: folder, text: 'x' });
    expect([openUndoLog(file), await releaseLeft(file)]).toEqual([undefined, undefined]);
    log.close();
    expect((await releaseLeft(file))!.problems).toEqual([expect.stringContaining(folder)]);
  });

  it.unless(process.platform === 'linux' ? undefined : 'not Linux', 'does not stop who takes things back when memory is full', () => {
    const log = openUndoLog('/dev/full')!;
    expect(() => log.note({ kind: 'remove', folder: '/none' })).toThrow('ENOSPC');
    log.cancel(1);
    log.close();
  });
});
