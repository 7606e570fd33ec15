import type { PackageManager } from './apt.ts';
import { createToolSetup } from './ensure-tools.ts';
import { MACHINE_TOOLS, TOOL_GROUPS } from './machine-tools.ts';

/** A machine on which `there` is installed and packages can be added, or not. */
const machine = (there: string[], { obstacle, broken }: { obstacle?: string; broken?: 'fails' | 'does nothing' } = {}) => {
  const proofs = new Set(there);
  const events: string[] = [];
  const packages: PackageManager = {
    unusable: () => obstacle,
    install: async (names) => {
      events.push(`install ${names.join(' ')}`);
      if (broken === 'fails') throw new Error('E: no network');
      if (broken === 'does nothing') return;
      for (const { apt, proof } of MACHINE_TOOLS) if (names.includes(apt)) proofs.add(proof);
    },
  };
  const ensure = createToolSetup({ packages, isPresent: (proof) => proofs.has(proof) });
  return { events, ensure, print: (line: string) => events.push(line) };
};

const NBD_PROOFS = MACHINE_TOOLS.filter(({ groups }) => groups.includes('nbd')).map(({ proof }) => proof);

describe('the tools of the machine', () => {
  it('are a table without doubles, and every group has some', () => {
    expect(new Set(MACHINE_TOOLS.map(({ apt }) => apt)).size).toBe(MACHINE_TOOLS.length);
    expect(new Set(MACHINE_TOOLS.map(({ proof }) => proof)).size).toBe(MACHINE_TOOLS.length);
    for (const group of TOOL_GROUPS) expect(MACHINE_TOOLS.some(({ groups }) => groups.includes(group))).toBe(true);
    for (const { groups } of MACHINE_TOOLS) for (const group of groups) expect([...TOOL_GROUPS, 'databases']).toContain(group);
  });

  it('are left alone, without a word, when all are there', async () => {
    const { ensure, events, print } = machine(NBD_PROOFS);
    expect(await ensure(['nbd'], { print })).toEqual({ installed: [], seconds: 0 });
    expect(events).toEqual([]);
  });

  it('are announced first, then installed, only those that are missing from the groups asked for', async () => {
    const { ensure, events, print } = machine(['qemu-img', 'fusermount3']);
    const report = await ensure(['nbd'], { print });
    expect(report.installed).toEqual(['libnbd-bin', 'nbdkit']);
    expect(events).toEqual([
      'set-up: installing Debian packages: libnbd-bin nbdkit',
      'install libnbd-bin nbdkit',
      expect.stringMatching(/^set-up: 2 Debian package\(s\) took \d+\.\d s$/),
    ]);
    expect((await ensure(['nbd'], { print })).installed).toEqual([]);
  });

  it.each([
    [{ obstacle: 'installing packages needs root' }, /needs root/],
    [{ broken: 'fails' as const }, /apt-get failed: E: no network/],
    [{ broken: 'does nothing' as const }, /still no nbdkit after installing/],
  ])('are named when they cannot be had: %o', async (trouble, why) => {
    const { ensure, print } = machine(
      NBD_PROOFS.filter((proof) => proof !== 'nbdkit'),
      trouble,
    );
    await expect(ensure(['nbd'], { print })).rejects.toMatchObject({
      code: 'TOOL_MISSING',
      thing: 'nbdkit',
      message: expect.stringMatching(why),
      remedy: expect.stringContaining('apt-get install --no-install-recommends nbdkit'),
    });
  });
});
