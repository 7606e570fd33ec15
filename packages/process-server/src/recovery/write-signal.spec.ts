import { HoldfastError } from '@holdfast/errors';
import { idBytes, newId } from '@holdfast/protocol';
import type { MachineHistory, PointChange } from '@holdfast/vault';
import { createSignalReader, signalOf, type Writing } from './write-signal.ts';

const at = (time: number, id = String(time)): PointChange => ({ point: { id, time } }) as PointChange;
const writing = (from: number, to: number, before: number | undefined, suspicious: boolean): Writing => ({
  writing: {
    first: at(from),
    last: at(to),
    before: before === undefined ? undefined : at(before),
    dataBytes: 1,
    incompressibleBytes: 1,
    usualBytes: 0,
  },
  message: { suspicious },
});

describe('what the signal says of a point', () => {
  const writings = [writing(100, 200, 90, true), writing(10, 20, undefined, false)];
  it.each([
    [9, false, false, false],
    [10, true, false, false],
    [90, false, false, true],
    [100, true, true, false],
    [200, true, true, false],
    [201, false, false, false],
  ])('of %i: unusual %s, suspicious %s, last before %s', (time, unusual, suspicious, lastBeforeUnusual) => {
    expect(signalOf(writings, { id: String(time), time })).toEqual({ unusual, suspicious, lastBeforeUnusual });
  });
});

describe('times of unusual writing', () => {
  const [disk, generation] = [newId(), newId()];
  const MINUTE = 60_000;
  /** A copy, a quiet time, and then 64 MiB that cannot be compressed. */
  const epochs = [0, 0, 64 * 1024 * 1024].map((bytes, number) => ({
    epoch: {
      number: BigInt(number),
      dataBytes: BigInt(bytes),
      storedBytes: BigInt(bytes),
      zeroBytes: 0n,
      incompressibleBytes: BigInt(bytes),
    },
  }));
  const points = [0, 10, 200].map((minute, number) => ({
    id: `point ${number}`,
    time: minute * MINUTE,
    point: { members: [{ diskId: idBytes(disk), epoch: { generationId: idBytes(generation), number: BigInt(number) } }] },
  }));
  const history = { machine: { id: newId() }, points, generations: new Map([[generation, { epochs }]]) } as unknown as MachineHistory;
  const shares = async (reader: ReturnType<typeof createSignalReader>): Promise<unknown[]> =>
    (await reader.of(history)).map(({ message }) => [message.pointBefore, message.overwrittenShare, message.suspicious]);

  it('are told whatever is damaged where they are looked up, and looked up again', async () => {
    let asked = 0;
    const reader = createSignalReader({
      shareOf: async () => {
        asked += 1;
        if (asked === 1) throw new HoldfastError('DAMAGED', { thing: 'index', why: 'it is damaged', remedy: 'repair' });
        return 0.9;
      },
    });
    expect(await shares(reader)).toEqual([['point 1', -1, false]]);
    expect(await shares(reader)).toEqual([['point 1', 0.9, true]]);
    expect(await shares(reader)).toEqual([['point 1', 0.9, true]]);
    expect(asked).toBe(2);
  });

  it('do not keep points waiting for long, and are looked up once at a time', async () => {
    const { promise, resolve } = Promise.withResolvers<number>();
    let asked = 0;
    const reader = createSignalReader({
      shareOf: () => {
        asked += 1;
        return promise;
      },
      patience: 5,
    });
    expect(await shares(reader)).toEqual([['point 1', -1, false]]);
    expect(await shares(reader)).toEqual([['point 1', -1, false]]);
    expect(asked).toBe(1);
    resolve(0.8);
    await promise;
    expect(await shares(reader)).toEqual([['point 1', 0.8, true]]);
  });
});
