import type { Frame } from '@holdfast/block';
import { isHoldfastError } from '@holdfast/errors';
import { ByteCache, type Sized } from './byte-cache.ts';
import { damaged } from './damage.ts';
import type { Fill } from './frame-threads.ts';
import type { VerifiedData } from './verified-data.ts';

/** Neighbouring frames fetched in one request at most. */
const GROUP_LIMIT = 32;

/** An object that frames are read from. */
export interface FrameStore {
  readonly name: string;
  /** The sealed bytes of `count` frames from `first` on, in one request. */
  readSealed(first: number, count: number): Promise<Uint8Array[]>;
  /** Opens one of them and checks all but the digests of its blocks. `alone`: no other is wanted with it. Errors: DAMAGED. */
  decode(frame: number, sealed: Uint8Array, alone: boolean): Promise<VerifiedData>;
  /** Opens neighbours from `first` on and compares the digests of all their blocks; `undefined` for those that are left to `decode`. */
  decodeSeveral(first: number, sealed: readonly Uint8Array[]): Promise<(VerifiedData | undefined)[]>;
  /** Fills memory that threads share with bytes of neighbours from `first` on; false when somebody else has to. */
  fill(first: number, sealed: readonly Uint8Array[], fill: Fill): Promise<boolean>;
  /** Opens one of them and decodes nothing. Errors: DAMAGED. */
  parse(frame: number, sealed: Uint8Array): Frame;
  /** In words, which bytes of the disk the frame holds. */
  describe(frame: number): string;
}

/** Where a frame is; the object is opened when it is needed, and may be forgotten meanwhile. */
export interface FrameHandle {
  /** The same for the same object. */
  readonly key: string;
  open(): Promise<FrameStore>;
}

/** One frame that is wanted. */
export interface FrameAddress {
  readonly handle: FrameHandle;
  readonly frame: number;
}

/** A frame in memory. */
export interface OpenFrame {
  /** The bytes `from` to `to` of its data, which must belong at `offset` on the disk. Errors: DAMAGED, which names object and extents. */
  slice(from: number, to: number, offset: number): Uint8Array;
  /** The whole blocks that hold them, with their digests, which were not compared yet, and where in the data they begin. Errors: the same. */
  blocks(from: number, to: number, offset: number): ReturnType<VerifiedData['blocks']>;
}

/** A frame out of the store; decoded if that was done together with its neighbours. */
interface Fetched {
  readonly sealed: Uint8Array;
  readonly decoded: VerifiedData | undefined;
}

/** Gives frames out of a cache bounded in bytes or the store. */
export class FrameReader {
  readonly #diskId: string;
  readonly #cache: ByteCache<string, OpenFrame>;
  readonly #through: (store: FrameStore) => FrameStore;
  /** Nothing lies between this and the objects that might keep what is read. */
  readonly #isDirect: boolean;

  /** `through` may put something between this and the objects. */
  constructor(diskId: string, cacheBytes: number, through?: (store: FrameStore) => FrameStore) {
    this.#diskId = diskId;
    this.#cache = new ByteCache(cacheBytes);
    this.#through = through ?? ((store) => store);
    this.#isDirect = through === undefined;
  }

  /** The frame if it is in memory. */
  peek(address: FrameAddress): OpenFrame | undefined {
    return this.#cache.peek(keyOf(address));
  }

  /** Whether the frame is in memory, or on its way there. */
  has(address: FrameAddress): boolean {
    return this.#cache.has(keyOf(address));
  }

  /** The frames in the order given; neighbours that are missing are fetched in one request. */
  read(wanted: readonly FrameAddress[]): Promise<OpenFrame[]> {
    const fetching = new Map<string, () => Promise<Fetched>>();
    for (const group of groupsOf(wanted.filter((address) => !this.#cache.has(keyOf(address))))) {
      const { handle, frame: first } = group[0]!;
      const fetched = once(async () => {
        const store = this.#through(await handle.open());
        const sealed = await store.readSealed(first, group.length).catch((reason: unknown) => {
          throw isHoldfastError(reason, 'OBJECT_NOT_FOUND') ? damaged(store.name, 'it was there and is gone', reason) : reason;
        });
        const decoded = group.length === 1 ? [] : await store.decodeSeveral(first, sealed);
        return sealed.map((bytes, i): Fetched => ({ sealed: bytes, decoded: decoded[i] }));
      });
      for (const [i, address] of group.entries()) fetching.set(keyOf(address), async () => (await fetched())[i]!);
    }
    return Promise.all(
      wanted.map((address) =>
        this.#cache.get(keyOf(address), async () => {
          return this.#open(address, await fetching.get(keyOf(address))!(), wanted.length === 1);
        }),
      ),
    );
  }

  /**
   * Fills memory that threads share with bytes of neighbouring frames, and keeps nothing: for those who read much, and once. False when that was not done;
   * whatever is the reason, `read` tells it.
   */
  async fill(group: readonly FrameAddress[], fill: Fill): Promise<boolean> {
    const { handle, frame: first } = group[0]!;
    try {
      const store = this.#through(await handle.open());
      return await store.fill(first, await store.readSealed(first, group.length), { ...fill, isOwn: this.#isDirect });
    } catch {
      return false;
    }
  }

  close(): void {
    this.#cache.clear();
  }

  async #open({ handle, frame }: FrameAddress, { sealed, decoded }: Fetched, alone: boolean): Promise<Sized<OpenFrame>> {
    const store = this.#through(await handle.open());
    const named = <T>(check: () => T): T => {
      try {
        return check();
      } catch (reason) {
        throw this.#naming(store, frame, reason);
      }
    };
    const data =
      decoded ??
      (await store.decode(frame, sealed, alone).catch((reason: unknown) => {
        throw this.#naming(store, frame, reason);
      }));
    const checkPlace = (from: number, to: number, offset: number): void => {
      if (to > data.length || data.offsetAt(from) !== offset) throw damaged('frame', 'its extents and the index differ');
    };
    const value: OpenFrame = {
      slice: (from, to, offset) =>
        named(() => {
          checkPlace(from, to, offset);
          return data.slice(from, to);
        }),
      blocks: (from, to, offset) =>
        named(() => {
          checkPlace(from, to, offset);
          return data.blocks(from, to);
        }),
    };
    return { value, size: data.size };
  }

  #naming(store: FrameStore, frame: number, reason: unknown): unknown {
    if (!isHoldfastError(reason, 'DAMAGED')) return reason;
    return damaged(`${store.name}, frame ${frame}`, `${reason.why}; it holds ${store.describe(frame)} of disk ${this.#diskId}`, reason);
  }
}

/** Addresses in groups that lie next to each other in one object. */
export const groupsOf = <Address extends FrameAddress>(addresses: readonly Address[]): Address[][] => {
  const groups: Address[][] = [];
  for (const address of addresses) {
    const group = groups.at(-1);
    const last = group?.at(-1);
    const follows = last !== undefined && last.handle.key === address.handle.key && last.frame + 1 === address.frame;
    if (group !== undefined && follows && group.length < GROUP_LIMIT) group.push(address);
    else groups.push([address]);
  }
  return groups;
};

export const keyOf = ({ handle, frame }: FrameAddress): string => `${handle.key} ${frame}`;

const once = <T>(make: () => Promise<T>): (() => Promise<T>) => {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
};
