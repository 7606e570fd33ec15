import { rmSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createResyncRig, type ResyncRig } from './rig.ts';

const MIB = 1024 * 1024;
const SIZE = 192 * MIB;
const DATA = 128 * MIB;
const RATE = 48 * MIB;

const random = (limit: number): number => Math.floor(Math.random() * limit);

describe.unless(lacks('root', 'losetup'), 'copies through SIGKILLs of both sides, with a real process server and vault', () => {
  let rig: ResyncRig;
  beforeAll(async () => {
    rig = await createResyncRig({ size: SIZE, tools: path.join(__dirname, '..') });
    rig.scribble([0], DATA);
  });
  afterAll(() => rig.close());

  /** Kills agent and server again and again while the copy goes on, and writes meanwhile. Tells how often which was killed. */
  const harass = async (times: number): Promise<void> => {
    for (let round = 0; round < times; round += 1) {
      const before = rig.agent.status?.copiedBytes ?? 0;
      await rig.agent.until('it goes on', ({ copiedBytes }) => copiedBytes !== before || copiedBytes === SIZE);
      await sleep(random(400));
      rig.scribble([random(SIZE / 4096) * 4096]);
      if (round % 3 === 2) {
        await rig.server.kill('SIGKILL');
        await rig.server.start();
      } else {
        await rig.agent.kill('SIGKILL');
        await rig.agent.start({ copyRate: RATE });
      }
      await rig.agent.until('it is back', () => true);
    }
  };

  it('first copies go on where they were', async () => {
    await rig.agent.start({ copyRate: RATE });
    await harass(9);
    await rig.agent.kill('SIGKILL');
    await rig.agent.start();
    await rig.agent.settled();
    expect(await rig.digestOfVault()).toBe(rig.digestOfDisk());
    expect(await rig.generations()).toBe(1);
    // What was on its way at a kill may be sent twice: a few pieces each time.
    expect(rig.agent.sentBytes).toBeLessThan(DATA + 9 * 40 * MIB);
    expect(rig.agent.events.filter(({ code }) => code === 'CONTINUITY_LOST')).toEqual([]);
  });

  it('resynchronizations too, and send only what differs', async () => {
    await rig.agent.kill('SIGKILL');
    rig.forgetTrace();
    const changed = Array.from({ length: 40 }, () => random(SIZE / 4096) * 4096);
    rig.scribble(changed);
    const before = rig.agent.sentBytes;
    await rig.agent.start({ copyRate: RATE });
    await harass(9);
    await rig.agent.kill('SIGKILL');
    await rig.agent.start();
    await rig.agent.settled();
    expect(await rig.digestOfVault()).toBe(rig.digestOfDisk());
    expect(await rig.generations()).toBe(2);
    expect(rig.agent.sentBytes - before).toBeLessThan(2 * MIB);
    const codes = rig.agent.events.map(({ code }) => code);
    expect(codes.filter((code) => code === 'DIGESTS_UNAVAILABLE' || code === 'DISK_DIVERGED')).toEqual([]);
    // The server knew all digests without reading them out of the vault.
    expect(rig.server.lines.filter(({ message }) => message.startsWith('Digests of a whole disk'))).toHaveLength(0);
  });

  it('resynchronizes by what the vault says when the server has lost what it kept', async () => {
    await rig.agent.kill('SIGKILL');
    await rig.server.kill('SIGKILL');
    rmSync(`${rig.server.stateDirectory}/digests`, { recursive: true });
    rig.forgetTrace();
    rig.scribble([5 * MIB, 100 * MIB]);
    const before = rig.agent.sentBytes;
    await rig.server.start();
    await rig.agent.start();
    await rig.agent.settled();
    expect(await rig.digestOfVault()).toBe(rig.digestOfDisk());
    expect(rig.agent.sentBytes - before).toBeLessThan(MIB);
    expect(rig.server.lines.filter(({ message }) => message.startsWith('Digests of a whole disk'))).toHaveLength(1);
  });
});
