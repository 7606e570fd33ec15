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
});
