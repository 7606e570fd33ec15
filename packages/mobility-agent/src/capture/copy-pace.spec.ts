import { createCopyPace } from './copy-pace.ts';

const MIB = 1024 * 1024;

/** A clock that only sleeping and reading move on. */
const createRig = (rate: number, yields: boolean) => {
  let time = 0;
  const settings = { rate, yields };
  const pace = createCopyPace(
    settings,
    () => time,
    async (milliseconds) => {
      time += milliseconds;
    },
  );
  /** Copies for so many seconds of a disk whose reads take so long; tells bytes, and the part of the time spent reading. */
  const copy = async (
    seconds: number,
    millisecondsPerMebibyte: () => number,
    others?: number,
  ): Promise<{ bytes: number; busy: number }> => {
    const began = time;
    let bytes = 0;
    let busy = 0;
    while (time < began + seconds * 1000) {
      const allowed = await pace.next(undefined);
      for (let done = 0; done < allowed && time < began + seconds * 1000; done += MIB) {
        const milliseconds = millisecondsPerMebibyte();
        time += milliseconds;
        busy += milliseconds;
        bytes += MIB;
        if (pace.read(MIB, milliseconds, others)) break;
      }
    }
    return { bytes, busy: busy / (time - began) };
  };
  return { settings, copy };
};

describe('the pace of a copy', () => {
  it('is as fast as the disk unless told otherwise', async () => {
    const { copy } = createRig(0, true);
    expect(await copy(10, () => 2)).toEqual({ bytes: 5000 * MIB, busy: 1 });
  });

  it('keeps to a rate, also to one that changes', async () => {
    const { copy, settings } = createRig(20 * MIB, false);
    expect((await copy(60, () => 1)).bytes / (60 * 20 * MIB)).toBeCloseTo(1, 1);
    settings.rate = 3 * MIB;
    expect((await copy(60, () => 1)).bytes / (60 * 3 * MIB)).toBeCloseTo(1, 0);
    settings.rate = 0;
    expect((await copy(10, () => 1)).busy).toBeGreaterThan(0.9);
  });

  it('rests while it is paused, looks at that again and again, and goes on', async () => {
    const settings = { rate: 0, yields: false, paused: true };
    let rests = 0;
    const pace = createCopyPace(
      settings,
      () => 0,
      async () => {
        rests += 1;
        settings.paused = rests < 5;
      },
    );
    expect(await pace.next(undefined)).toBeGreaterThan(0);
    expect(rests).toBe(5);
    expect(pace.read(MIB, 1)).toBe(false);
    settings.paused = true;
    expect(pace.read(MIB, 1)).toBe(true);
    expect(await pace.next(AbortSignal.abort())).toBeGreaterThan(0);
    expect(rests).toBe(5);
  });

  it('yields to others when the disk becomes slow, and comes back', async () => {
    const { copy } = createRig(0, true);
    expect((await copy(5, () => 2)).busy).toBe(1);
    expect((await copy(5, () => 20)).busy).toBeLessThan(0.35);
    expect((await copy(5, () => 100)).busy).toBeLessThan(0.25);
    expect((await copy(5, () => 2)).busy).toBeGreaterThan(0.9);
  });

  it('does not yield to its own work: what takes long while nobody else uses the disk waits for a processor', async () => {
    const { copy } = createRig(0, true);
    expect((await copy(5, () => 2, 0)).busy).toBe(1);
    expect((await copy(5, () => 60, 4096)).busy).toBe(1);
    // Others come, and go again.
    expect((await copy(5, () => 60, MIB / 8)).busy).toBeLessThan(0.25);
    await copy(5, () => 60, 0);
    expect((await copy(5, () => 60, 0)).busy).toBeGreaterThan(0.9);
  });

  it('is not slowed down by a slow disk, and believes at last that it became one', async () => {
    const slow = createRig(0, true);
    expect((await slow.copy(30, () => 40)).busy).toBe(1);
    const slower = createRig(0, true);
    await slower.copy(5, () => 3);
    expect((await slower.copy(1, () => 15)).busy).toBeLessThan(0.6);
    await slower.copy(120, () => 15);
    expect((await slower.copy(10, () => 15)).busy).toBeCloseTo(1);
  });

  it('takes no notice of others where it is told so', async () => {
    const { copy } = createRig(0, false);
    await copy(5, () => 2);
    expect((await copy(5, () => 50)).busy).toBe(1);
  });
});
