import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openOthersWork, watchOthers } from './others-work.ts';

const MIB = 1024 * 1024;

describe("others' work on a disk", () => {
  it('is what is counted and not our own', () => {
    let counted = 17 * MIB;
    const others = watchOthers(() => counted);
    counted += MIB;
    expect(others.since(MIB)).toBe(0);
    counted += 3 * MIB;
    expect(others.since(MIB)).toBe(2 * MIB);
    expect(others.since(0)).toBe(0);
  });

  it('is unknown where nothing is counted, or nothing can be read', () => {
    expect(watchOthers(() => 0).since(MIB)).toBeUndefined();
    let isThere = true;
    const gone = watchOthers(() => {
      if (isThere) return 0;
      throw new Error('ENODEV');
    });
    isThere = false;
    expect(gone.since(0)).toBeUndefined();
    expect(openOthersWork('no such disk').since(0)).toBeUndefined();
  });

  it('keeps nothing open of what cannot be read', () => {
    const directory = mkdtempSync(path.join(tmpdir(), 'others-'));
    try {
      // That can be opened, and no more.
      mkdirSync(path.join(directory, 'stat'));
      const open = (): number => readdirSync('/proc/self/fd').length;
      const before = open();
      for (let tries = 0; tries < 100; tries += 1) expect(openOthersWork(path.relative('/sys/block', directory)).since(0)).toBeUndefined();
      expect(open()).toBeLessThan(before + 50);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
