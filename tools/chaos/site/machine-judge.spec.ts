import { create } from '@bufbuild/protobuf';
import { GenerationReason, GenerationSchema } from '@holdfast/protocol';
import type { MachineHistory, RecoveryPoint } from '@holdfast/vault';
import { createMachineJudge } from './machine-judge.ts';

const point = (id: string, time: number, disks = ['a', 'b']): RecoveryPoint => ({ id, time, disks }) as unknown as RecoveryPoint;
const historyOf = (points: readonly RecoveryPoint[], more: Partial<MachineHistory> = {}): MachineHistory =>
  ({ points, damage: [], generations: new Map(), ...more }) as unknown as MachineHistory;

const open = (wrong: readonly string[] = [], isQuick = true) => {
  const given: string[][] = [];
  const judge = createMachineJudge('m', ['a', 'b'], {
    isQuick,
    judge: async (points) => {
      given.push(points.map((one) => one.point.id));
      return { judged: points.length, wrong };
    },
  });
  return { judge, given };
};

const ONE = point('1', 1000);
const TWO = point('2', 2000);
const THREE = point('3', 3000);

describe('a machine is judged', () => {
  it('well when all that was promised is there; each point is compared once', async () => {
    const { judge, given } = open();
    for (const time of [1000, 2000, 9000]) judge.promised(time);
    expect(await judge.judge(historyOf([ONE, TWO]), 1, true)).toEqual({ judged: 2, wrong: [], lost: [], resyncs: [] });
    expect(await judge.judge(historyOf([ONE, TWO, THREE]), 1, true)).toMatchObject({ judged: 1, lost: [] });
    expect(given).toEqual([['1', '2'], ['3']]);
  });

  it('by points that are kept for later where that takes long', async () => {
    const { judge, given } = open([], false);
    expect(await judge.judge(historyOf([ONE]), 1, false)).toMatchObject({ judged: 0 });
    expect(await judge.judge(historyOf([ONE, TWO]), 1, true)).toMatchObject({ judged: 2 });
    expect(given).toEqual([['1', '2']]);
  });

  it('badly when a point was promised and is not there, or was there and is gone', async () => {
    const { judge } = open();
    judge.promised(1500);
    expect((await judge.judge(historyOf([ONE, TWO]), 1, true)).lost).toEqual(['m: the point of 1970-01-01T00:00:01.500Z']);
    const { judge: other } = open();
    await other.judge(historyOf([ONE, TWO]), 1, true);
    expect((await other.judge(historyOf([TWO, THREE]), 1, true)).lost).toEqual(['m: point 1 was there and is gone']);
  });

  it('badly when its log ends early, a point lacks a disk, or differs', async () => {
    const { judge } = open(['block 7 is older']);
    const verdict = await judge.judge(historyOf([ONE, point('4', 4000, ['a'])], { damage: ['x'] as never }), 1, true);
    expect(verdict.lost).toEqual(['m: the log ends early: "x"']);
    expect(verdict.wrong).toEqual(['m: block 7 is older', 'm: point 4 lacks a disk']);
  });

  it('with each resynchronization told once', async () => {
    const generation = (detail: string, reason: GenerationReason) => ({
      diskId: 'a'.repeat(32),
      generation: create(GenerationSchema, { reason, detail }),
    });
    const generations = new Map<string, unknown>([['g1', generation('first', GenerationReason.FIRST_COPY)]]);
    const history = () => historyOf([ONE], { generations: generations as never });
    const { judge } = open();
    expect((await judge.judge(history(), 1, true)).resyncs).toEqual([]);
    generations.set('g2', generation('the ring overflowed', GenerationReason.RESYNCHRONIZATION));
    expect((await judge.judge(history(), 1, true)).resyncs).toEqual(['m: disk aaaaaaaa: the ring overflowed']);
    expect((await judge.judge(history(), 1, true)).resyncs).toEqual([]);
  });
});
