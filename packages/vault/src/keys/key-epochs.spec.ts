import { storeUnavailable } from '@holdfast/object-store';
import { newId } from '@holdfast/protocol';
import { checkMachine } from '../check-machine.ts';
import type { Clock } from '../clock.ts';
import { openLogWriter } from '../log-writer.ts';
import { readHeader } from '../object-header.ts';
import { settled } from '../testing/fast-clock.ts';
import { TEST_KEY } from '../testing/open-test-vault.ts';
import { WriterBench } from '../testing/writer-bench.ts';
import { openVault } from '../vault.ts';
import { rotateKeys } from './key-epochs.ts';
import { rekeyVault } from './rekey.ts';
import type { VaultKey } from './vault-key.ts';

/** Time that passes only when it is told to. */
class StoppedClock implements Clock {
  time = Date.now();
  now = (): number => this.time;
  sleep = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
}

describe('a new data key', () => {
  let bench: WriterBench;
  let clock: StoppedClock;
  beforeEach(async () => {
    bench = await WriterBench.create();
    clock = new StoppedClock();
  });
  afterEach(() => bench.close());

  /** The key epochs of the objects below `m/<machine>/`, in the order of their names. */
  const epochsOf = async (folder: string): Promise<number[]> => {
    const epochs: number[] = [];
    for (const { name } of await bench.objects(folder)) epochs.push(readHeader(Buffer.from(await bench.store.read(name)), name).keyEpoch);
    return epochs;
  };

  it('is taken up by a writer at work within ten minutes, and by the next one at once; all is read', async () => {
    const cuts = await bench.cuts(5);
    const writer = await openLogWriter(await openVault(bench.store, TEST_KEY), bench.source.machineId, { clock, checkpoint: { slots: 3 } });
    await writer.append(cuts[0]!.content);
    expect(await rotateKeys(bench.vault)).toEqual([{ machineId: bench.source.machineId, epoch: 2 }]);
    await writer.append(cuts[1]!.content);
    clock.time += 10 * 60_000;
    await writer.append(cuts[2]!.content);
    await writer.append(cuts[3]!.content);
    // What it sums up is under the new key too.
    await settled();
    for (const folder of ['catalogue/', 'history/']) expect(await epochsOf(folder)).toContain(2);
    await rotateKeys(bench.vault, { machineIds: [bench.source.machineId] });
    const { writer: next } = await bench.open();
    await next.append(cuts[4]!.content);
    // Fence, two cuts, two cuts under the new key; fence and a cut under the newest.
    expect(await epochsOf('log/')).toEqual([1, 1, 1, 2, 2, 3, 3]);
    await bench.expectWhole(cuts);
    expect((await checkMachine(await bench.read())).findings).toEqual([]);
    await writer.close();
  });

  it('is made for machines that there are', async () => {
    await expect(rotateKeys(bench.vault, { machineIds: [newId()] })).rejects.toMatchObject({ code: 'MACHINE_NOT_FOUND' });
    expect(await bench.vault.keys.newestEpoch(bench.source.machineId)).toBe(1);
  });

  it('under a root key that the writer has no part in ends it by name; with a key that counts the next one goes on', async () => {
    const cuts = await bench.cuts(3);
    let key: VaultKey = TEST_KEY;
    const vault = await openVault(bench.store, async () => key);
    const writer = await openLogWriter(vault, bench.source.machineId, { clock });
    await writer.append(cuts[0]!.content);
    const fresh: VaultKey = { kind: 'key-file', secret: Buffer.alloc(32, 99) };
    await rekeyVault(bench.vault, [{ key: fresh }]);
    await writer.append(cuts[1]!.content);
    clock.time += 10 * 60_000;
    await expect(writer.append(cuts[2]!.content)).rejects.toMatchObject({ code: 'VAULT_KEY_WRONG' });
    await expect(writer.append(cuts[2]!.content)).rejects.toMatchObject({ code: 'VAULT_KEY_WRONG' });
    await expect(openLogWriter(vault, bench.source.machineId, { clock })).rejects.toMatchObject({ code: 'VAULT_KEY_WRONG' });
    await bench.expectWhole(cuts.slice(0, 2));
    // Somebody puts the new key where this program gets its own from.
    key = fresh;
    const next = await openLogWriter(vault, bench.source.machineId, { clock });
    await next.append(cuts[2]!.content);
    await bench.expectWhole(cuts);
    await Promise.all([writer.close(), next.close()]);
  });

  it('does not stand in the way while the store cannot be asked', async () => {
    const cuts = await bench.cuts(2);
    const opened = await bench.open({ clock });
    opened.plan = ({ name }) => (name.endsWith('/keys/000000000002') ? { before: storeUnavailable(name, 'on purpose') } : undefined);
    await rotateKeys(bench.vault);
    clock.time += 10 * 60_000;
    await opened.writer.append(cuts[0]!.content);
    opened.plan = () => undefined;
    clock.time += 10 * 60_000;
    await opened.writer.append(cuts[1]!.content);
    expect(await epochsOf('log/')).toEqual([1, 1, 2]);
    await bench.expectWhole(cuts);
  });
});
