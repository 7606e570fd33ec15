import fs from 'node:fs';
import path from 'node:path';
import { PointKind } from '@holdfast/protocol';
import { until } from '../sender/testing/until.ts';
import { type ConsistencyRig, needsRecovery, openConsistencyRig } from './testing/consistency-rig.ts';

describe.unless(lacks('root', 'losetup', 'mkfs.ext4'), 'consistent points', () => {
  let one: ConsistencyRig;
  let told: string;
  const script = (name: string, rest: string): string => one.addScript(name, `#!/bin/sh\necho ${name} $1 >> ${told}\n${rest}\n`);
  const lines = (): string[] => {
    const all = fs.existsSync(told) ? fs.readFileSync(told, 'utf8').trim().split('\n') : [];
    fs.rmSync(told, { force: true });
    return all;
  };
  beforeAll(async () => {
    one = await openConsistencyRig([['ext4', 48]], { scriptLimit: 1000 });
    told = path.join(one.folder, 'told');
  });
  afterAll(() => one.close());
  const image = (vault: Map<string, Buffer>): Buffer => vault.get(one.disks[0]!.disk.path)!;
  const warnings = (): string[] => one.rig.events.filter(({ severity }) => severity === 'warning').map(({ code }) => code);

  it('are filesystem-consistent without scripts, by themselves at their interval and on demand', async () => {
    fs.writeFileSync(path.join(one.disks[0]!.mountPoint, 'file'), 'x');
    const kinds = (): PointKind[] => one.rig.server.vault.flatMap(({ cut }) => cut.point?.kind ?? []);
    one.rig.protect([one.disks[0]!.disk.path], { applicationIntervalSeconds: 1 });
    await until('there are two', () => kinds().filter((kind) => kind === PointKind.FILESYSTEM).length >= 2);
    const { answer, vault } = await one.ask(PointKind.FILESYSTEM);
    expect([answer.kind, answer.problem, needsRecovery(image(vault))]).toEqual([PointKind.FILESYSTEM, undefined, false]);
    const crash = await one.ask(PointKind.CRASH);
    expect([crash.answer.kind, needsRecovery(image(crash.vault))]).toEqual([PointKind.CRASH, true]);
    // Told once, however often points are made.
    expect(warnings()).toEqual(['POINT_NOT_CONSISTENT']);
    const { answer: lesser } = await one.ask(PointKind.APPLICATION);
    expect(lesser).toMatchObject({
      kind: PointKind.FILESYSTEM,
      problem: { code: 'POINT_NOT_CONSISTENT', why: expect.stringContaining('no executable script') },
    });
  });

  it('run scripts in order before, and in the opposite order after; one that fails or hangs costs the kind, and all are asked to go on', async () => {
    script('10-first', 'test -d $HOLDFAST_RUN_DIRECTORY && test $1 = $HOLDFAST_PHASE');
    script('20-second', '');
    expect((await one.ask(PointKind.APPLICATION)).answer).toMatchObject({ kind: PointKind.APPLICATION, problem: undefined });
    expect(lines()).toEqual(['10-first pre', '20-second pre', '20-second post', '10-first post']);
    const earlier = warnings().length;

    script('30-never', '');
    for (const [rest, why] of [
      ['[ $1 = post ] || { echo the disk is on fire; exit 3; }', /20-second pre.*status 3.*the disk is on fire/],
      ['[ $1 = post ] || sleep 1000', /20-second pre.*longer than 1 s/],
    ] as const) {
      script('20-second', rest);
      const { answer, vault } = await one.ask(PointKind.APPLICATION);
      expect(answer).toMatchObject({ kind: PointKind.CRASH, problem: { code: 'SCRIPT_FAILED', message: expect.stringMatching(why) } });
      expect(image(vault)).toHaveLength(48 * 1024 * 1024);
      expect(lines()).toEqual(['10-first pre', '20-second pre', '20-second post', '10-first post']);
    }
    script('20-second', '[ $1 = pre ]');
    expect((await one.ask(PointKind.APPLICATION)).answer).toMatchObject({ kind: PointKind.CRASH, problem: { code: 'SCRIPT_FAILED' } });
    lines();
    expect(warnings().slice(earlier)).toEqual(['SCRIPT_FAILED', 'SCRIPT_FAILED', 'SCRIPT_FAILED']);
  });

  it('run no script that others could change', async () => {
    fs.chmodSync(script('20-second', ''), 0o777);
    const { answer } = await one.ask(PointKind.APPLICATION);
    expect(answer).toMatchObject({
      kind: PointKind.CRASH,
      problem: { code: 'SCRIPT_REFUSED', thing: expect.stringContaining('20-second') },
    });
    expect(lines()).toEqual([]);
    expect(one.rig.server.violations).toEqual([]);
  });
});
