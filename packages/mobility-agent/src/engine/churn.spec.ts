import { create } from '@bufbuild/protobuf';
import { CutSchema, EpochSchema, GenerationSchema } from '@holdfast/protocol';
import { CHURN_BOUNDS, createChurn } from './churn.ts';

const cut = (second: number | undefined, bytes: number, more: { open?: boolean; begins?: boolean } = {}) =>
  create(CutSchema, {
    epochs: [create(EpochSchema, { dataBytes: BigInt(bytes - 1), zeroBytes: 1n, open: more.open ?? false })],
    generations: more.begins ? [create(GenerationSchema, {})] : [],
    ...(second === undefined ? {} : { point: { instant: { unixNanos: BigInt(second) * 1_000_000_000n } } }),
  });

describe('churn', () => {
  it('is told in seconds, from point to point', () => {
    const churn = createChurn();
    churn.take(cut(100, 500));
    churn.take(cut(105, 5 * 1_500_000));
    churn.take(cut(undefined, 90_000_000));
    churn.take(cut(115, 30_000_000));
    churn.take(cut(116, 2_000_000_000));
    expect(churn.seconds).toEqual([0, 5, 0, 0, 10, 0, 0, 1]);
    expect(churn.seconds).toHaveLength(CHURN_BOUNDS.length + 1);
    expect(churn.peak).toBe(2_000_000_000);
  });

  it('is not what is copied, nor what a clock that went back says', () => {
    const churn = createChurn();
    churn.take(cut(100, 1));
    churn.take(cut(undefined, 500_000_000, { begins: true, open: true }));
    churn.take(cut(undefined, 500_000_000, { open: true }));
    churn.take(cut(110, 700));
    expect(churn.seconds.every((seconds) => seconds === 0)).toBe(true);
    churn.take(cut(109, 700));
    expect(churn.peak).toBe(0);
    churn.take(cut(119, 700));
    expect(churn.seconds[0]).toBe(10);
  });
});
