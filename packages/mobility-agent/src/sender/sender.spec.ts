import { readFileSync } from 'node:fs';
import path from 'node:path';
import { HoldfastError } from '@holdfast/errors';
import { idBytes, newId, type ReplicateResponse } from '@holdfast/protocol';
import { DISKS } from '../hrl/testing/scripted-cuts.ts';
import { openSenderMemory, type SenderMemory } from './sender-memory.ts';
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

/** Time in which what must not happen would have. */
const stillness = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 60));

describe('a sender', () => {
  it('carries cuts in order and frees each when it is durable', async () => {
    const rig = await rigOf();
    const ids = [
      [[100, 200], [300]],
      [[], []],
      [[700_000, 700_000, 700_000], [5]],
    ].map((shape) => commit(rig, shape));
    await allFreed(rig);
    expectCarried(rig, ids);
  });

  it.each([2, 3])('tells a cut without frames in one message, if the server knows that: version %d', async (version) => {
    const rig = await rigOf();
    rig.server.behaviour.version = version;
    await rig.restartAgent();
    const ids = [[[10]], [[]], [[20]], [[]], [[]]].map((shape) => commit(rig, shape));
    await allFreed(rig);
    expectCarried(rig, ids);
    expect(rig.server.begun).toEqual(version === 2 ? ids : [ids[0], ids[2]]);
  });

  it('says at the opening what it holds, and what it was told before', async () => {
    const rig = await rigOf();
    const first = commit(rig, [[10]]);
    await allFreed(rig);
    rig.server.behaviour.lag = 10;
    const second = commit(rig, [[20]]);
    await until('it is journaled', () => rig.server.journal.length === 1);
    rig.server.term = 7n;
    await rig.restartAgent();
    await until('it opens again', () => rig.server.opens.length === 2);
    expect(rig.server.opens[1]).toMatchObject({
      protocolVersion: 4,
      agentVersion: '1.2.3',
      seenTerm: 1n,
      anchor: { sequence: 1n, term: 1n, tag: Buffer.from(first, 'hex') },
      heldCutIds: [idBytes(second)],
    });
    await until('it is connected', () => rig.sender.status.state === 'connected');
    expect(JSON.parse(readFileSync(path.join(rig.directory, 'sender.json'), 'utf8'))).toMatchObject({
      seenTerm: '7',
      anchor: { sequence: '1' },
    });
  });

  it('frees nothing that is only journaled, and does not send it again', async () => {
    const rig = await rigOf();
    rig.server.behaviour.lag = 10;
    const ids = [commit(rig, [[10]]), commit(rig, [[20]])];
    await until('both are journaled', () => rig.server.journal.length === 2);
    await rig.restartAgent();
    ids.push(commit(rig, [[30]]));
    await until('the third is journaled', () => rig.server.journal.length === 3);
    expect(rig.freed).toEqual([]);
    expect(rig.sender.isJournaled(ids[2]!)).toBe(true);
    expect(rig.server.begun).toEqual(ids);
    await rig.server.flush();
    await allFreed(rig);
    expectCarried(rig, ids);
  });

  it('sends all again to a server that lost its disk', async () => {
    const rig = await rigOf();
    rig.server.behaviour.lag = 10;
    const ids = [commit(rig, [[10]]), commit(rig, [[20]])];
    await until('both are journaled', () => rig.server.journal.length === 2);
    rig.server.loseDisk();
    await until('both are journaled again', () => rig.server.journal.length === 2, describeRig(rig));
    expect(rig.server.begun).toEqual([...ids, ...ids]);
    await rig.server.flush();
    await allFreed(rig);
    expectCarried(rig, ids);
  });

  it('goes on behind what the server has of a cut', async () => {
    const rig = await rigOf();
    rig.server.behaviour.credit = 2.5 * MIB;
    rig.server.behaviour.breakAfterReceived = 4;
    const frames = Array.from({ length: 10 }, () => 500_000);
    const id = commit(rig, [frames, [7]]);
    await until('a stream broke', () => rig.server.opens.length > 1, describeRig(rig));
    rig.server.behaviour.breakAfterReceived = Number.POSITIVE_INFINITY;
    await allFreed(rig);
    expectCarried(rig, [id]);
    // Nothing went twice but what was on its way when a stream broke.
    expect(rig.sender.status.sentBytes).toBeLessThan(1.9 * 10 * 500_000);
  });

  it('waits for credit, and uses what it has in the smallest grants', async () => {
    const rig = await rigOf();
    rig.server.behaviour.credit = 64;
    const ids = [commit(rig, [[40, 40, 40], [60]]), commit(rig, [[20, 20]])];
    await allFreed(rig);
    expectCarried(rig, ids);
    rig.server.behaviour.credit = 10;
    await rig.restartAgent();
    commit(rig, [[40]]);
    await until('it opens again', () => rig.server.begun.length === 3);
    await until('it knows its credit', () => rig.sender.status.credit === 10);
    expect(rig.server.vault).toHaveLength(2);
    await rig.server.say({ case: 'credit', value: { bytes: 34n } });
    await allFreed(rig);
  });

  it('does not send faster than it is asked to', async () => {
    const rig = await rigOf();
    await until('it is connected', () => rig.sender.status.state === 'connected');
    await rig.server.say({ case: 'pace', value: { bytesPerSecond: 4_000_000n, reason: 'the journal is half full' } });
    await until('it heard', () => rig.sender.status.pace === 4_000_000);
    const began = performance.now();
    const id = commit(rig, [Array.from({ length: 16 }, () => 250_000)]);
    await allFreed(rig);
    // The first message of a megabyte goes at once.
    expect(performance.now() - began).toBeGreaterThan(700);
    expectCarried(rig, [id]);
    await rig.server.say({ case: 'pace', value: { bytesPerSecond: 1n } });
    // Else both could be on their way before.
    await until('it heard that too', () => rig.sender.status.pace === 1);
    commit(rig, [[100]]);
    commit(rig, [[100]]);
    await until('the first is there', () => rig.server.vault.length === 2);
    await rig.server.say({ case: 'pace', value: { bytesPerSecond: 0n } });
    await allFreed(rig);
  });

  it('keeps on disk what it is told before it relies on it', async () => {
    const rig = await rigOf();
    await until('it is connected', () => rig.sender.status.state === 'connected');
    const memory = await openSenderMemory({ file: path.join(rig.directory, 'other.json') });
    const gates: (() => void)[] = [];
    const slow: SenderMemory = {
      ...memory,
      get current() {
        return memory.current;
      },
      async remember(change) {
        await new Promise<void>((resolve) => gates.push(resolve));
        await memory.remember(change);
      },
    };
    await rig.restartAgent({ memory: slow });
    const id = commit(rig, [[10]]);
    await until('it is to be kept', () => gates.length === 1);
    await stillness();
    expect(rig.server.begun).toEqual([]);
    gates.shift()!();
    await until('it is durable and that is to be kept', () => rig.server.vault.length === 1 && gates.length === 1);
    await stillness();
    expect([rig.freed, memory.current.anchor]).toEqual([[], undefined]);
    gates.shift()!();
    await allFreed(rig);
    expectCarried(rig, [id]);
    expect(memory.current).toMatchObject({ seenTerm: 1n, anchor: { sequence: 1n } });
  });

  it('does not free a cut while it reads it', async () => {
    const rig = await rigOf();
    rig.server.behaviour.credit = 70_000;
    const frames = Array.from({ length: 40 }, () => 60_000);
    const id = commit(rig, [frames]);
    await until('it began', () => rig.server.begun.length === 1);
    await rig.server.say({ case: 'durable', value: { cutId: idBytes(id), anchor: { sequence: 1n, term: 1n } } });
    await until('it is freed', () => rig.freed.length === 1);
    await until('it came whole', () => rig.server.vault.length === 1);
    expect(rig.server.violations).toEqual([]);
    expect(rig.server.vault.map((received) => received.id)).toEqual([id]);
    expect(rig.states.filter(({ problem }) => problem !== undefined)).toEqual([]);
  });

  it('frees in order, in whatever order cuts become durable', async () => {
    const rig = await rigOf();
    rig.server.behaviour.lag = 10;
    const ids = [commit(rig, [[10]]), commit(rig, [[20]])] as const;
    await until('both are journaled', () => rig.server.journal.length === 2);
    await rig.server.say({ case: 'durable', value: { cutId: idBytes(ids[1]), anchor: { sequence: 2n, term: 1n } } });
    await stillness();
    expect(rig.freed).toEqual([]);
    await rig.server.flush();
    await allFreed(rig);
    expectCarried(rig, ids);
  });

  it('begins a cut anew when another has to go before it', async () => {
    const rig = await rigOf();
    rig.server.behaviour.lag = 10;
    const ids = [commit(rig, [[10, 11]]), commit(rig, [[20, 21]])] as const;
    await until('both are journaled', () => rig.server.journal.length === 2);
    rig.server.behaviour.partial = { cutId: idBytes(ids[1]), frames: [1n] };
    rig.server.loseDisk();
    await until('both are journaled again', () => rig.server.journal.length === 2);
    await rig.server.flush();
    await allFreed(rig);
    expectCarried(rig, ids);
  });

  it('tells of disks that the server wants anew', async () => {
    const rig = await rigOf();
    await until('it is connected', () => rig.sender.status.state === 'connected');
    await rig.server.say({ case: 'resyncNeeded', value: { diskId: idBytes(DISKS[0]), reason: 'a hole' } });
    await until('it heard', () => rig.resyncs.length === 1);
    expect(rig.resyncs).toEqual([`${DISKS[0]} a hole`]);
    expect(rig.sender.status.state).toBe('connected');
  });
});

describe('a sender refuses', () => {
  it('a server of a lower term than it has seen, also after a restart', async () => {
    const rig = await rigOf();
    rig.server.term = 5n;
    commit(rig, [[10]]);
    await allFreed(rig);
    rig.server.term = 4n;
    await rig.restartAgent();
    commit(rig, [[20]]);
    await until('it says so', () => rig.sender.status.state === 'fenced', describeRig(rig));
    expect(rig.sender.status.problem).toMatchObject({ code: 'FENCED', why: 'it writes under term 4, but term 5 was seen' });
    expect(rig.server.begun).toHaveLength(1);
    rig.server.term = 6n;
    await allFreed(rig);
  });

  it('a vault that grows where it was durable before', async () => {
    const rig = await rigOf();
    const ids = [commit(rig, [[10]]), commit(rig, [[20]])];
    await allFreed(rig);
    (rig.server.vault as unknown[]).length = 0;
    rig.server.restart();
    commit(rig, [[30]]);
    await until('it says so', () => rig.sender.status.problem?.code === 'VAULT_ROLLED_BACK', describeRig(rig));
    expect(rig.freed).toEqual(ids);
    expect(rig.hrl.committed()).toHaveLength(1);
  });

  it('a vault that ends before what it freed', async () => {
    const rig = await rigOf();
    for (const size of [10, 20, 30]) commit(rig, [[size]]);
    await allFreed(rig);
    const { generationId } = rig.hrl.heads().get(DISKS[0])!;
    rig.server.behaviour.durableThrough = { diskId: DISKS[0], generationId, number: 1n };
    rig.server.restart();
    await until('it says so', () => rig.sender.status.problem?.code === 'VAULT_ROLLED_BACK', describeRig(rig));
    rig.server.behaviour.durableThrough = { diskId: DISKS[0], generationId, number: 2n };
    await until('it is connected', () => rig.sender.status.state === 'connected', describeRig(rig));
  });

  it.each<[string, ReplicateResponse['message']['case']]>([
    ['a second Opened', 'opened'],
    ['no known message', undefined],
  ])('a server that says what it may not: %s', async (_, kind) => {
    const rig = await rigOf();
    await until('it is connected', () => rig.sender.status.state === 'connected');
    const message = kind === 'opened' ? ({ case: 'opened', value: { term: 1n, protocolVersion: 1 } } as const) : { case: undefined };
    await rig.server.say(message as never).catch(() => undefined);
    await until('it says so', () => rig.states.some(({ problem }) => problem?.code === 'PROTOCOL_VIOLATION'), describeRig(rig));
  });

  it('to count more frames than there are', async () => {
    const rig = await rigOf();
    rig.server.behaviour.lag = 5;
    const id = commit(rig, [[10]]);
    await until('it is journaled', () => rig.server.journal.length === 1);
    rig.server.behaviour.partial = { cutId: idBytes(id), frames: [2n] };
    rig.server.loseDisk();
    await until('it says so', () => rig.sender.status.problem?.code === 'PROTOCOL_VIOLATION', describeRig(rig));
  });
});

describe('a sender that is not served', () => {
  const refusals: [string, HoldfastError, string][] = [
    ['fenced', new HoldfastError('FENCED', { thing: 'a', why: 'b', remedy: 'c' }), 'fenced'],
    ['revoked', new HoldfastError('CERTIFICATE_REVOKED', { thing: 'a', why: 'b', remedy: 'c' }), 'refused'],
    ['full', new HoldfastError('STORE_UNAVAILABLE', { thing: 'a', why: 'b', remedy: 'c' }), 'waiting'],
  ];
  it.each(refusals)('says why and goes on asking: %s', async (_, refusal, state) => {
    const rig = await rigOf();
    rig.server.behaviour.refusal = refusal;
    rig.server.restart();
    const id = commit(rig, [[10]]);
    await until('it says so', () => rig.states.some((status) => status.state === state), describeRig(rig));
    expect(rig.states.find((status) => status.state === state)?.problem).toMatchObject({ code: refusal.code });
    rig.server.behaviour.refusal = undefined;
    await allFreed(rig);
    expectCarried(rig, [id]);
  });

  it('says for how long it reaches none, anew for other servers, and nothing where only people can help', async () => {
    const rig = await rigOf();
    await until('it is connected', () => rig.sender.status.state === 'connected');
    expect(rig.sender.status.without).toBe(0);
    rig.server.behaviour.refusal = new HoldfastError('STORE_UNAVAILABLE', { thing: 'a', why: 'b', remedy: 'c' });
    rig.server.restart();
    await until('it says so', () => rig.sender.status.without > 200, describeRig(rig));
    rig.sender.useServers(['127.0.0.1:1']);
    expect(rig.sender.status.without).toBeLessThan(200);
    rig.sender.useServers([rig.address]);
    rig.server.behaviour.refusal = new HoldfastError('CERTIFICATE_REVOKED', { thing: 'a', why: 'b', remedy: 'c' });
    await until('it is refused', () => rig.sender.status.state === 'refused', describeRig(rig));
    expect(rig.sender.status.without).toBe(0);
    rig.server.behaviour.refusal = undefined;
    await until('it is connected again', () => rig.sender.status.state === 'connected');
    expect(rig.sender.status.without).toBe(0);
  });

  it('stops when it is fenced in the middle, and asks again', async () => {
    const rig = await rigOf();
    await until('it is connected', () => rig.sender.status.state === 'connected');
    const operation = newId();
    await rig.server.say({ case: 'fenced', value: { term: 9n, reason: 'failover', failedOverOperationId: idBytes(operation) } });
    await until('it says so', () => rig.states.some(({ state }) => state === 'fenced'));
    expect(rig.states.find(({ state }) => state === 'fenced')?.problem?.why).toContain(operation);
    await until('it asks again', () => rig.sender.status.state === 'connected');
  });

  it('tries the next server, and another when it is told', async () => {
    const rig = await rigOf({
      servers: ['127.0.0.1:1', '127.0.0.1:2'],
      waits: { first: 3_600_000, longest: 3_600_000, refused: 3_600_000 },
    });
    await until('it waits', () => rig.sender.status.state === 'waiting', describeRig(rig));
    const id = commit(rig, [[10]]);
    await until('it tried both', () => rig.sender.status.server === '127.0.0.1:2');
    rig.sender.useServers(['127.0.0.1:1', rig.address]);
    await allFreed(rig);
    expectCarried(rig, [id]);
    rig.sender.useServers(['127.0.0.1:1']);
    await until('it leaves the server that is not its own', () => rig.sender.status.state !== 'connected');
  });

  it('waits longer and longer, with jitter', async () => {
    const began: number[] = [];
    const lost = new HoldfastError('CONNECTION_LOST', { thing: 'a', why: 'b', remedy: 'c' });
    const rig = await rigOf({
      waits: { first: 20, longest: 160, refused: 1 },
      random: () => 1,
      connect: async () => {
        began.push(performance.now());
        throw lost;
      },
    });
    await until('it tried often', () => began.length === 7, describeRig(rig));
    const waits = began.slice(1).map((at, index) => at - began[index]!);
    for (const [index, wait] of [20, 40, 80, 160, 160, 160].entries()) expect(waits[index]).toBeGreaterThanOrEqual(wait - 2);
  });
});
