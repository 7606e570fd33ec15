import { keepMachine } from './keep-machine.ts';
import { proofName } from './object-names.ts';
import { lastProven, listProofs, type Proof, recordProof } from './proof.ts';
import { fastClock, settled } from './testing/fast-clock.ts';
import { WriterBench } from './testing/writer-bench.ts';

const proof = (pointId: string, passed: boolean, time = 1): Proof => ({
  pointId,
  time,
  passed,
  report: Buffer.from(`{"time":${time}}`),
  signature: Buffer.from('signature'),
  publicKey: Buffer.from('key'),
  console: Buffer.alloc(200_000, 'line\n'),
  screenshot: new Uint8Array(0),
});

describe('proofs', () => {
  const begin = async () => {
    const bench = await WriterBench.create([64 * 1024]);
    const { writer } = await bench.open({ checkpoint: { slots: 1 } });
    const points: string[] = [];
    for (let round = 0; round < 8; round += 1) {
      bench.source.write(bench.source.disks[0]!, round, 1, round + 1);
      const cut = await bench.source.cut();
      await writer.append(cut.content);
      await settled();
      points.push(cut.pointId!);
    }
    await writer.close();
    const { vault } = bench;
    const machineId = bench.source.machineId;
    const listed = async () => {
      const found = [];
      for await (const one of listProofs(vault, machineId)) found.push(one);
      return found;
    };
    return { bench, vault, machineId, points, listed };
  };

  it('are listed newest first, whole, and numbered however many record at once', async () => {
    const { vault, machineId, points, listed } = await begin();
    expect(await listed()).toEqual([]);
    expect(await lastProven(vault, machineId)).toBeUndefined();
    const numbers = await Promise.all([1, 2, 3].map((time) => recordProof(vault, machineId, proof(points[time]!, time !== 3, time))));
    expect(numbers.sort()).toEqual([1, 2, 3]);
    const found = await listed();
    expect(found.map(({ number }) => number)).toEqual([3, 2, 1]);
    for (const { number, $typeName: _, ...one } of found as ((typeof found)[number] & { $typeName?: string })[]) {
      const { console, report, ...rest } = proof(one.pointId, one.passed, one.time);
      expect(Buffer.from(one.console).equals(console)).toBe(true);
      expect(Buffer.from(one.report).toString()).toBe(Buffer.from(report).toString());
      expect({ pointId: one.pointId, passed: one.passed, time: one.time, number }).toMatchObject({
        pointId: rest.pointId,
        passed: rest.passed,
      });
    }
  });

  it('that are damaged prove nothing and hide nothing', async () => {
    const { bench, vault, machineId, points, listed } = await begin();
    await recordProof(vault, machineId, proof(points[0]!, true));
    await recordProof(vault, machineId, proof(points[1]!, true));
    const name = proofName(machineId, 2);
    const bytes = Buffer.from(await bench.vault.store.read(name));
    bytes[bytes.length - 20]! ^= 1;
    await bench.vault.store.delete(name);
    await bench.vault.store.create(name, bytes);
    expect((await listed()).map(({ number }) => number)).toEqual([1]);
    expect((await lastProven(vault, machineId))?.pointId).toBe(points[0]);
  });

  it('of another version of the format keep points from being thinned until a newer one passes, and nothing else from being done', async () => {
    const { bench, vault, machineId, points, listed } = await begin();
    await recordProof(vault, machineId, proof(points[0]!, true));
    await recordProof(vault, machineId, proof(points[2]!, true));
    const name = proofName(machineId, 2);
    const bytes = Buffer.from(await vault.store.read(name));
    // The version is behind the eight bytes of the magic.
    bytes[8]! ^= 4;
    await vault.store.delete(name);
    await vault.store.create(name, bytes);
    const found = await listed();
    expect(found.map(({ number }) => number)).toEqual([1]);
    const keep = () => keepMachine(vault, machineId, { policy: { rules: [], atLeast: 3 }, thinAtOnce: 1, minCuts: 1, clock: fastClock });
    const report = await keep();
    expect(report).toMatchObject({ thinned: 0, unknown: { object: name, code: 'VAULT_VERSION_UNSUPPORTED' } });
    expect(report.suspended).toContain(name);
    expect(report.compactions).toBeGreaterThan(0);
    expect((await bench.read()).points).toHaveLength(points.length);
    await recordProof(vault, machineId, proof(points[3]!, true));
    const next = await keep();
    expect([next.unknown, next.suspended]).toEqual([undefined, undefined]);
    expect(next.thinned).toBeGreaterThan(0);
    expect((await bench.read()).points.map(({ id }) => id)).toContain(points[3]);
  });

  it('that passed count however many failed since', async () => {
    const { vault, machineId, points } = await begin();
    await recordProof(vault, machineId, proof(points[2]!, true));
    for (let time = 2; time < 50; time += 1)
      await recordProof(vault, machineId, { ...proof(points[3]!, false, time), console: new Uint8Array(0) });
    expect((await lastProven(vault, machineId))?.pointId).toBe(points[2]);
  });

  it('of points that are not there hide none of a point that is', async () => {
    const { bench, vault, machineId, points } = await begin();
    await recordProof(vault, machineId, proof(points[2]!, true));
    // Whoever may append, and has the key of the vault.
    await recordProof(vault, machineId, proof('77'.repeat(16), true));
    await keepMachine(vault, machineId, { policy: { rules: [], atLeast: 3 }, thinAtOnce: 1, minCuts: 1, clock: fastClock });
    const left = (await bench.read()).points.map(({ id }) => id);
    expect(left.length).toBeLessThan(points.length);
    expect(left).toContain(points[2]);
  });

  it('keep the newest point that passed from being thinned, and no other', async () => {
    for (const passed of [true, false]) {
      const { bench, vault, machineId, points } = await begin();
      await recordProof(vault, machineId, proof(points[2]!, passed));
      await keepMachine(vault, machineId, {
        policy: { rules: [], atLeast: 3 },
        unitFrames: 3,
        thinAtOnce: 1,
        minCuts: 1,
        clock: fastClock,
      });
      const left = (await bench.read()).points.map(({ id }) => id);
      expect(left.length).toBeLessThan(points.length);
      expect(left.includes(points[2]!)).toBe(passed);
    }
  });
});
