import { HoldfastError } from '@holdfast/errors';
import type { MachineRequest, PauseReason } from '../fabric.ts';
import { createScriptedFabric, type ScriptedFabric } from '../testing/scripted-fabric.ts';
import { type Watch, watchMachine } from './watch-machine.ts';

const ID = 'ab'.repeat(16);
const DAMAGED = new HoldfastError('DAMAGED', { thing: 'slot 7', why: 'its tag is wrong', remedy: 'choose another point' });

/** By timers that jest can turn. */
const sleep = (milliseconds: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    const end = (): void => {
      clearTimeout(timer);
      resolve();
    };
    signal.addEventListener('abort', end, { once: true });
  });

const AWAY = new HoldfastError('STORE_UNAVAILABLE', { thing: 'vault', why: 'away', remedy: 'wait' });

let fabric: ScriptedFabric;
let watch: Watch;
let troubles: string[];
let independent: number;
let revived: number;
let isWanted: boolean;
beforeEach(async () => {
  jest.useFakeTimers({ doNotFake: ['performance'] });
  fabric = createScriptedFabric();
  const disk = { id: 'd', size: 512, controller: 'virtio', source: { kind: 'nbd', socket: 's', export: 'e' } } as const;
  const request: MachineRequest = {
    operationId: ID,
    name: 'm',
    shape: { cpus: 1, memoryBytes: 2 ** 26, firmware: 'bios', disks: [disk], networks: [] },
  };
  await fabric.create(request);
  await fabric.start(ID);
  troubles = [];
  independent = 0;
  revived = 0;
  const onHydrated = async (): Promise<void> => {
    independent += 1;
  };
  isWanted = true;
  const revival = {
    isWanted: () => isWanted,
    start: async (): Promise<void> => {
      revived += 1;
      Object.assign(fabric.made.get(ID)!, { state: 'running', killed: undefined });
    },
  };
  watch = watchMachine({ fabric, operationId: ID, onTrouble: ({ code }) => troubles.push(code), onHydrated, revival, sleep });
});
afterEach(async () => {
  const stopping = watch.stop();
  await jest.runAllTimersAsync();
  await stopping;
  jest.useRealTimers();
});

const pause = (reason: PauseReason): void => void Object.assign(fabric.made.get(ID)!, { state: 'paused', pause: reason });
const seconds = (count: number): Promise<void> => jest.advanceTimersByTimeAsync(count * 1000);
const resumes = (): number => fabric.calls.filter((call) => call === 'resume').length;

it('lets go on what paused by itself, tells of it once, and says when it is over', async () => {
  pause('io');
  await seconds(1);
  expect([resumes(), troubles]).toEqual([1, ['STORE_UNAVAILABLE']]);
  pause('io');
  await seconds(3);
  expect([resumes(), troubles]).toEqual([2, ['STORE_UNAVAILABLE']]);
  await seconds(30);
  expect(watch.trouble).toBeUndefined();
  pause('space');
  await seconds(3);
  expect([resumes(), troubles]).toEqual([3, ['STORE_UNAVAILABLE', 'NO_SPACE']]);
});

it('switches on again what this host ended, tells of it, and leaves it off when that happens again and again', async () => {
  const kill = (): void => void Object.assign(fabric.made.get(ID)!, { state: 'off', killed: true });
  kill();
  await seconds(1);
  expect([revived, troubles, fabric.made.get(ID)!.state]).toEqual([1, ['FABRIC_FAILED'], 'running']);
  await seconds(30);
  expect(watch.trouble).toBeUndefined();
  for (let again = 0; again < 3; again += 1) {
    kill();
    await seconds(2);
  }
  await seconds(60);
  expect([revived, fabric.made.get(ID)!.state, watch.trouble?.why]).toEqual([3, 'off', expect.stringContaining('it is off')]);
  watch.forget();
  await seconds(10);
  expect(revived).toBe(4);
});

it('leaves alone what its own system switched off, and what is not meant to be on', async () => {
  Object.assign(fabric.made.get(ID)!, { state: 'off' });
  await seconds(30);
  isWanted = false;
  Object.assign(fabric.made.get(ID)!, { killed: true });
  await seconds(30);
  expect([revived, troubles]).toEqual([0, []]);
});

it('tells once of a trouble that lasts, though the machine runs for a while whenever it is tried again', async () => {
  for (let attempt = 0; attempt < 20; attempt += 1) {
    pause('io');
    await seconds(11);
    expect(fabric.made.get(ID)!.state).toBe('running');
  }
  expect([troubles, watch.trouble?.code]).toEqual([['STORE_UNAVAILABLE'], 'STORE_UNAVAILABLE']);
});

it('does not let a machine run into a source that is still away: its clocks would run too', async () => {
  let away = true;
  let attempts = 0;
  watch.noteFailure(AWAY, async () => {
    attempts += 1;
    if (away) throw AWAY;
  });
  pause('io');
  await seconds(600);
  expect([resumes(), troubles, attempts > 50]).toEqual([0, ['STORE_UNAVAILABLE'], true]);
  away = false;
  await seconds(11);
  expect([resumes(), fabric.made.get(ID)!.state]).toEqual([1, 'running']);
});

it('waits for every disk that failed', async () => {
  const away = new Set(['first', 'second', 'third']);
  const ways = [...away].map((disk) => async () => {
    if (away.has(disk)) throw AWAY;
  });
  for (const again of ways) watch.noteFailure(AWAY, again);
  pause('io');
  for (const disk of ['third', 'first']) {
    away.delete(disk);
    await seconds(60);
    expect(resumes()).toBe(0);
  }
  away.clear();
  await seconds(11);
  expect(resumes()).toBe(1);
});

it('tries ever more seldom, and goes on trying', async () => {
  const again = setInterval(() => pause('io'), 10);
  await seconds(60);
  const most = resumes();
  await seconds(600);
  clearInterval(again);
  expect(most).toBeLessThan(12);
  expect(resumes() - most).toBeGreaterThan(50);
});

it.each<PauseReason>(['asked', 'starting', 'fault'])('leaves alone what is paused because of: %s', async (reason) => {
  pause(reason);
  await seconds(30);
  expect([resumes(), troubles]).toEqual([0, []]);
});

it('keeps a machine from wrong data until somebody asks for another try', async () => {
  const again = async (): Promise<void> => {};
  watch.noteFailure(DAMAGED, again);
  watch.noteFailure(AWAY, again);
  pause('io');
  await seconds(60);
  expect([resumes(), troubles, watch.trouble?.thing]).toEqual([0, ['DAMAGED'], 'slot 7']);
  watch.forget();
  await seconds(60);
  expect(resumes()).toBe(1);
});

it('says when nothing is read any more', async () => {
  await seconds(5);
  expect(independent).toBe(0);
  fabric.made.get(ID)!.hydrated = true;
  await seconds(5);
  expect(independent).toBeGreaterThan(0);
});
