// All that is ever done to a vault.
import { type ErrorCode, HoldfastError } from '@holdfast/errors';
import { createMemoryStore, type ObjectStore } from '@holdfast/object-store';
import type { CutContent } from '@holdfast/protocol';
import { affectedPoints } from '../affected-points.ts';
import { checkMachine } from '../check-machine.ts';
import { compactMachine } from '../compact-machine.ts';
import { copyVault } from '../copy-vault.ts';
import { diskDifference } from '../difference.ts';
import { emptyBlocks, readDigests } from '../disk-digests.ts';
import { listHolds } from '../hold.ts';
import { inspectVault } from '../inspect-vault.ts';
import { keepMachine } from '../keep-machine.ts';
import { keeperKeyOf } from '../keeper-key.ts';
import { checkKeys } from '../keys/check-keys.ts';
import { listHolders } from '../keys/holders.ts';
import { rotateKeys } from '../keys/key-epochs.ts';
import { openLogWriter } from '../log-writer.ts';
import { pointChanges } from '../point-changes.ts';
import { pointDisks } from '../point-disks.ts';
import { lastProven } from '../proof.ts';
import { readMachine } from '../read-machine.ts';
import { rebuildCatalogue } from '../rebuild-catalogue.ts';
import { repairMachine } from '../repair.ts';
import { scrubMachine } from '../scrub-machine.ts';
import { openVault, type Vault } from '../vault.ts';
import { machineStats, storedAmounts } from '../vault-stats.ts';
import { openView } from '../view.ts';
import { unusualWriting } from '../write-signal.ts';
import { fastClock } from './fast-clock.ts';
import { TEST_KEY } from './open-test-vault.ts';

/** What nobody has to read to its end to be told that it is wrong: a disk may be said to be as large as none is. */
const SOME = 50;
/** What may be said of it. */
const REFUSALS: readonly ErrorCode[] = [
  'DAMAGED',
  'EPOCH_CONFLICT',
  'FENCED',
  'PROTOCOL_VIOLATION',
  'UNREADABLE_EXTENT',
  'VAULT_KEY_WRONG',
  'VAULT_NOT_VOUCHED',
  'VAULT_VERSION_UNSUPPORTED',
];

const LIMITS = { size: 12_000, entries: 20 };

const some = async (items: AsyncIterable<unknown> | Iterable<unknown>): Promise<void> => {
  let count = 0;
  for await (const _ of items) {
    count += 1;
    if (count >= SOME) return;
  }
};

/** All that is ever done to a vault, each on what it finds: the codes of what refused. Throws what no one would understand. */
export const useAll = async (store: ObjectStore, machineId: string, next: CutContent, complete = false): Promise<string[]> => {
  const codes: string[] = [];
  const attempt = async (what: string, work: () => Promise<unknown>): Promise<void> => {
    try {
      await work();
    } catch (reason) {
      if (!(reason instanceof HoldfastError) || !REFUSALS.includes(reason.code)) throw new Error(`${what}: ${reason}`, { cause: reason });
      codes.push(`${what}: ${reason.code} ${complete ? reason.message : ''}`);
    }
  };
  const copied = async (): Promise<Vault> => {
    const copy = createMemoryStore();
    for await (const { name } of store.list('')) await copy.create(name, await store.read(name));
    return openVault(copy, TEST_KEY);
  };
  await attempt('open', async () => {
    const vault = await openVault(store, TEST_KEY);
    await attempt('machines', () => vault.machines());
    await attempt('keys', () => checkKeys(vault));
    await attempt('holders', () => listHolders(vault));
    await attempt('inspect', () => inspectVault(vault));
    await attempt('holds', () => listHolds(vault, machineId));
    await attempt('proofs', () => lastProven(vault, machineId));
    await attempt('read', async () => {
      const history = await readMachine(vault, machineId);
      await attempt('check', async () => {
        for (const finding of (await checkMachine(history)).findings) await attempt('affected', () => affectedPoints(history, finding));
      });
      await attempt('stats', async () => machineStats(history, (await storedAmounts(vault)).get(machineId)!));
      await attempt('unusual', async () => unusualWriting(pointChanges(history)));
      for (const point of history.points) {
        await attempt('disks', async () => pointDisks(history, point));
        for (const { diskId, epoch } of point.point.members) {
          const id = Buffer.from(diskId).toString('hex');
          await attempt('view', async () => {
            const view = await openView(history, point.id, id, { cacheBytes: 64 * 1024 });
            const size = Math.min(view.size, 65_536);
            await attempt('read at once', () => view.read(0, Buffer.alloc(size)));
            for (let at = 0; at < size; at += 8192)
              await attempt('read a part', () => view.read(at, Buffer.alloc(Math.min(4096, size - at))));
            await attempt('allocated', () => view.allocated(0, view.size));
            await view.close();
          });
          await attempt('digests', () => some(readDigests(history, id, epoch!)));
          await attempt('empty', () => some(emptyBlocks(history, id, epoch!)));
          const [before] = history.points;
          const member = before!.point.members.find((one) => Buffer.compare(one.diskId, diskId) === 0);
          if (member !== undefined)
            await attempt('difference', async () => some((await diskDifference(history, id, member.epoch!, epoch!)).extents));
        }
      }
    });
  });
  const changes: Readonly<Record<string, (vault: Vault) => Promise<unknown>>> = {
    scrub: (vault) => scrubMachine(vault, machineId, { clock: fastClock, fresh: true }),
    compact: (vault) => compactMachine(vault, machineId, { minCuts: 1, limits: LIMITS, fanIn: 2, clock: fastClock, steps: 6 }),
    keep: (vault) =>
      keepMachine(vault, machineId, {
        policy: { rules: [], atLeast: 2 },
        thinAtOnce: 1,
        minCuts: 1,
        limits: LIMITS,
        fanIn: 2,
        grace: 0,
        clock: fastClock,
        steps: 6,
      }),
    believe: (vault) => keepMachine(vault, machineId, { keeperKey: keeperKeyOf(TEST_KEY.secret, vault.id), adopt: true, clock: fastClock }),
    repair: (vault) => repairMachine(vault, machineId, { clock: fastClock }),
    rebuild: (vault) => rebuildCatalogue(vault, machineId, { clock: fastClock }),
    write: async (vault) => {
      const writer = await openLogWriter(vault, machineId, { clock: fastClock, checkpoint: { slots: 1 } });
      try {
        await writer.append(next);
      } finally {
        await writer.close();
      }
    },
    copy: (vault) => copyVault(vault, createMemoryStore()),
    rotate: rotateKeys,
  };
  for (const [what, change] of Object.entries(changes)) await attempt(what, async () => change(await copied()));
  return codes;
};
