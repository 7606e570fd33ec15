import type { ReplicateResponse, ReplicationStream } from '@holdfast/protocol';
import fc from 'fast-check';
import type { CutShape } from '../hrl/testing/scripted-cuts.ts';
import { allFreed, commit, describeRig, expectCarried, openSenderRig, type SenderRig } from './testing/sender-rig.ts';
import { until } from './testing/until.ts';

const MIB = 1024 * 1024;

const open: SenderRig[] = [];
const rigOf = async (...options: Parameters<typeof openSenderRig>): Promise<SenderRig> => {
  const rig = await openSenderRig(...options);
  open.push(rig);
  return rig;
};
afterEach(async () => {
  await Promise.all(open.splice(0).map((rig) => rig.close()));
});

/** A sender that takes Journaled for Durable. */
const freeingOnJournaled = (stream: ReplicationStream): ReplicationStream => ({
  ...stream,
  async *[Symbol.asyncIterator]() {
    for await (const response of stream) {
      if (response.message.case === 'journaled') {
        const { cutId } = response.message.value;
        yield {
          ...response,
          message: { case: 'durable', value: { $typeName: 'holdfast.v1.Durable', cutId, earlierCutIds: [] } },
        } as ReplicateResponse;
      } else yield response;
    }
  },
});

describe('through every break', () => {
  /** The messages of a stream that carries three cuts and more: every one of them may be the last. */
  const SHAPES: CutShape[] = [
    [[300_000, 300_000, 600_000, 600_000], [10]],
    [[], []],
    [[20], [1_000_000]],
  ];

  it.each(['breakAfterReceived', 'breakAfterSent'] as const)('each message may be the last: %s', async (where) => {
    const rig = await rigOf();
    const ids: string[] = [];
    for (let last = 0; last < 14; last += 1) {
      rig.server.behaviour[where] = last;
      rig.server.restart();
      for (const shape of SHAPES) ids.push(commit(rig, shape));
      const seen = rig.server.streams;
      await until('streams broke', () => rig.server.streams > seen + 1 || rig.hrl.committed().length === 0, describeRig(rig));
      rig.server.behaviour[where] = Number.POSITIVE_INFINITY;
      await allFreed(rig);
    }
    expectCarried(rig, ids);
  });

  type Step =
    | { readonly kind: 'commit'; readonly shape: CutShape }
    | { readonly kind: 'break'; readonly where: 'breakAfterReceived' | 'breakAfterSent'; readonly after: number }
    | { readonly kind: 'server' | 'disk' | 'agent' | 'heal' | 'flush' | 'pause' };

  const shapes = fc.array(
    fc.array(fc.oneof(fc.integer({ min: 1, max: 2000 }), fc.integer({ min: 100_000, max: 250_000 })), { maxLength: 6 }),
    {
      minLength: 2,
      maxLength: 2,
    },
  );
  const steps = fc.array(
    fc.oneof(
      { weight: 4, arbitrary: shapes.map((shape): Step => ({ kind: 'commit', shape })) },
      {
        weight: 3,
        arbitrary: fc
          .tuple(fc.constantFrom('breakAfterReceived' as const, 'breakAfterSent' as const), fc.integer({ min: 1, max: 12 }))
          .map(([where, after]): Step => ({ kind: 'break', where, after })),
      },
      { weight: 5, arbitrary: fc.constantFrom('server', 'disk', 'agent', 'heal', 'flush', 'pause').map((kind): Step => ({ kind })) },
    ),
    { minLength: 4, maxLength: 16 },
  );
  const behaviours = fc.record({
    lag: fc.integer({ min: 0, max: 3 }),
    twice: fc.boolean(),
    credit: fc.constantFrom(260_000, MIB, 4 * MIB),
  });

  const perform = async (rig: SenderRig, step: Step, ids: string[]): Promise<void> => {
    const { server } = rig;
    switch (step.kind) {
      case 'commit':
        return void ids.push(commit(rig, step.shape));
      case 'break':
        server.behaviour[step.where] = step.after;
        return server.restart();
      case 'server':
        return server.restart();
      case 'disk':
        return server.loseDisk();
      case 'agent':
        return rig.restartAgent();
      case 'heal':
        server.behaviour.breakAfterReceived = Number.POSITIVE_INFINITY;
        server.behaviour.breakAfterSent = Number.POSITIVE_INFINITY;
        return;
      case 'flush':
        return server.flush().catch(() => undefined);
      case 'pause':
        await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };

  it('every cut reaches the vault once, whole and in order, and none is freed before', async () => {
    await fc.assert(
      fc.asyncProperty(behaviours, steps, async (behaviour, script) => {
        const rig = await openSenderRig();
        try {
          Object.assign(rig.server.behaviour, behaviour);
          const ids: string[] = [];
          for (const step of script) await perform(rig, step, ids);
          await perform(rig, { kind: 'heal' }, ids);
          rig.server.behaviour.lag = 0;
          await rig.server.flush().catch(() => undefined);
          await allFreed(rig);
          expectCarried(rig, ids);
        } finally {
          await rig.close();
        }
      }),
      { numRuns: 40 },
    );
  });

  it('a sender that frees what is journaled is found out', async () => {
    const rig = await rigOf();
    await rig.restartAgent({ connect: async (address) => freeingOnJournaled(await rig.connect(address)) });
    rig.server.behaviour.lag = 3;
    const id = commit(rig, [[10]]);
    await until('it is freed', () => rig.freed.length === 1, describeRig(rig));
    expect(rig.freedEarly).toEqual([id]);
    rig.server.loseDisk();
    expect(rig.server.vault).toEqual([]);
  });
});
