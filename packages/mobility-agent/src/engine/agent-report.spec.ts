import { DiskPhase, idBytes } from '@holdfast/protocol';
import { createReporter } from './agent-report.ts';
import type { Engine, EngineStatus } from './engine.ts';
import { createEventList } from './event-list.ts';

const ID = 'a'.repeat(32);

describe('the report of an agent', () => {
  it('tells rates since the report before, and each event once', () => {
    const told: string[] = [];
    const events = createEventList(({ code }) => void told.push(code));
    const status = {
      revision: 7n,
      disks: [
        { id: ID, path: '/dev/a', phase: DiskPhase.COPYING, size: 100, copiedBytes: 40, problem: { code: 'NO_SPACE', text: 'full' } },
      ],
      changedBytes: 0,
      checkedBlocks: 0,
      sentBytes: 0,
      pendingBytes: 300,
      sourceBytes: 200,
      churnSeconds: [3.4, 0, 7],
      peakChurn: 17.2,
      durablePoints: 2,
      newestPoint: 1234,
      rpoSeconds: undefined as number | undefined,
    };
    let now = 0;
    const report = createReporter({ status: status as unknown as EngineStatus, takeEvents: () => events.take() } as Engine, () => now);
    now = 2000;
    Object.assign(status, { changedBytes: 5000, sentBytes: 0, rpoSeconds: 1.5 });
    events.warn('A', 'first');
    events.inform('B', 'all is well');
    expect(report()).toEqual({
      revision: 7n,
      disks: [{ diskId: idBytes(ID), phase: DiskPhase.COPYING, size: 100n, copiedBytes: 40n, problemCode: 'NO_SPACE', problem: 'full' }],
      newestPointUnixMillis: 1234n,
      rpoSeconds: 1.5,
      pendingBytes: 300n,
      sourceBytes: 200n,
      churnSeconds: [3n, 0n, 7n],
      peakChurnBytesPerSecond: 17n,
      secondsWithoutServer: 0,
      serverProblem: '',
      changedBytesPerSecond: 2500n,
      sentBytesPerSecond: 0n,
      points: 2n,
      events: [{ unixMillis: expect.any(BigInt), code: 'A', text: 'first' }],
    });
    expect(report()).toMatchObject({ changedBytesPerSecond: 0n, events: [] });
    expect(told).toEqual(['A', 'B']);
  });

  it('keeps the newest events of a long time', () => {
    const events = createEventList(() => undefined);
    for (let number = 0; number < 300; number += 1) events.warn(String(number), '');
    expect(events.take().map(({ code }) => code)).toEqual(Array.from({ length: 256 }, (_, index) => String(index + 44)));
  });
});
