import type { ObjectInfo } from '@holdfast/object-store';
import { isId } from '@holdfast/protocol';
import type { MachineHistory } from './history.ts';
import { cataloguePrefix, catalogueVersionOf } from './object-names.ts';
import type { VaultAccess } from './vault-access.ts';

/** Folders of a machine's objects. */
const FOLDERS = ['keys', 'terms', 'log', 'catalogue', 'history', 'runs', 'parts', 'holds', 'scrubs', 'proofs'] as const;
export type ObjectFolder = (typeof FOLDERS)[number];

export interface Amount {
  readonly objects: number;
  readonly bytes: number;
}

export type Tier = NonNullable<ObjectInfo['tier']>;

export interface TierAmount extends Amount {
  /** Bytes times days that are paid for whether they stay or not: tiers have a shortest time. */
  readonly byteDaysOwed: number;
}

/** Days that an object is paid for at least, since it came into the tier. https://learn.microsoft.com/azure/storage/blobs/access-tiers-overview */
const LEAST_DAYS: Readonly<Record<Tier, number>> = { hot: 0, cool: 30, cold: 90, archive: 180 };
const DAY = 24 * 3_600_000;

/** What a machine takes in the store, by listing. */
export interface StoredAmounts {
  readonly folders: Readonly<Record<ObjectFolder, Amount>>;
  readonly total: Amount;
  /** What of it is in which tier, where the store tells; with what each object would still have to stay there for to cost nothing more when it is deleted. */
  readonly tiers: Readonly<Partial<Record<Tier, TierAmount>>>;
  /** Objects that were ever created, those since deleted included, as far as numbers in names tell. */
  readonly created: number;
  /** When the oldest and the newest slot that are there were created, by the clock of the store. */
  readonly slots: { readonly oldest: number; readonly newest: number; readonly count: number } | undefined;
}

export interface MachineStats extends StoredAmounts {
  /** Bytes of the machine's disks at its newest point. */
  readonly protectedBytes: number;
  /** Bytes of changes as they were at the source, of all epochs that are told. */
  readonly changedBytes: number;
  readonly points: number;
}

/** Lists the store once. By machine id; with all other objects under the empty id. Errors: STORE_UNAVAILABLE. */
export const storedAmounts = async ({ store }: VaultAccess, now: number = Date.now()): Promise<Map<string, StoredAmounts>> => {
  const machines = new Map<string, Counting>();
  for await (const info of store.list('')) {
    const { name } = info;
    const [, machineId = '', folder = ''] = /^m\/([^/]+)\/([^/]+)\//.exec(name) ?? [];
    const id = isId(machineId) ? machineId : '';
    const counting = machines.get(id) ?? new Counting(id, now);
    machines.set(id, counting);
    counting.add(folder, info);
  }
  return new Map([...machines].map(([id, counting]) => [id, counting.amounts()]));
};

class Counting {
  readonly #machineId: string;
  readonly #folders = Object.fromEntries(FOLDERS.map((folder) => [folder, { objects: 0, bytes: 0 }])) as Record<
    ObjectFolder,
    { objects: number; bytes: number }
  >;
  readonly #now: number;
  readonly #tiers: Partial<Record<Tier, TierAmount>> = {};
  #total = { objects: 0, bytes: 0 };
  #slots: { oldest: number; newest: number; count: number } | undefined;
  #highestSlot = -1;
  #highestVersion = 0;

  constructor(machineId: string, now: number) {
    this.#machineId = machineId;
    this.#now = now;
  }

  add(folder: string, { name, size, created, tier, tierSince = created }: ObjectInfo): void {
    this.#total.objects += 1;
    this.#total.bytes += size;
    if (tier !== undefined) {
      const { objects, bytes, byteDaysOwed } = this.#tiers[tier] ?? { objects: 0, bytes: 0, byteDaysOwed: 0 };
      const owed = Math.max(0, LEAST_DAYS[tier] - (this.#now - tierSince) / DAY);
      this.#tiers[tier] = { objects: objects + 1, bytes: bytes + size, byteDaysOwed: byteDaysOwed + owed * size };
    }
    const amount = (this.#folders as Record<string, { objects: number; bytes: number } | undefined>)[folder];
    if (amount === undefined) return;
    amount.objects += 1;
    amount.bytes += size;
    if (folder === 'log') {
      this.#highestSlot = Math.max(this.#highestSlot, Number(name.slice(-12)));
      this.#slots ??= { oldest: created, newest: created, count: 0 };
      this.#slots.oldest = Math.min(this.#slots.oldest, created);
      this.#slots.newest = Math.max(this.#slots.newest, created);
      this.#slots.count += 1;
    }
    if (name.startsWith(cataloguePrefix(this.#machineId)))
      this.#highestVersion = Math.max(this.#highestVersion, catalogueVersionOf(name) ?? 0);
  }

  amounts(): StoredAmounts {
    const { log, catalogue } = this.#folders;
    const gone = this.#highestSlot + 1 - log.objects + this.#highestVersion - catalogue.objects;
    return {
      folders: this.#folders,
      total: this.#total,
      tiers: this.#tiers,
      created: this.#total.objects + Math.max(0, gone),
      slots: this.#slots,
    };
  }
}

/** What a machine's history is worth, beside what it takes. */
export const machineStats = ({ generations, points }: MachineHistory, stored: StoredAmounts): MachineStats => {
  let changedBytes = 0;
  const sizes = new Map<string, number>();
  for (const { epochs } of generations.values())
    for (const { epoch } of epochs) {
      changedBytes += Number(epoch.dataBytes);
      sizes.set(`${Buffer.from(epoch.generationId).toString('hex')} ${epoch.number}`, Number(epoch.diskSize));
    }
  const protectedBytes = (points.at(-1)?.point.members ?? []).reduce(
    (sum, { epoch }) => sum + (sizes.get(`${Buffer.from(epoch!.generationId).toString('hex')} ${epoch!.number}`) ?? 0),
    0,
  );
  return { ...stored, protectedBytes, changedBytes, points: points.length };
};
