import type { BlockDevice } from './block-device.ts';
import { coalesce } from './coalesce.ts';
import { blockCount } from './geometry.ts';
import { BOOT_AT, BOOT_SIZE, type OverlayLayout } from './overlay-header.ts';
import { createOverlayMap, MAP_PAGE, type OverlayMap } from './overlay-map.ts';

/** Keeps the map of an overlay in its file so that neither a killed process nor a power loss makes it say more, or less, than it may. */
export interface OverlayKeeper {
  readonly map: OverlayMap;
  /** Resolves when the map as it is now would outlive this process. */
  publish(): Promise<void>;
  /** Resolves when every write completed before the call would outlive a power loss. */
  flush(): Promise<void>;
}

/** For an overlay that ends with its process. */
export const createForgetfulKeeper = (diskSize: number): OverlayKeeper => ({
  map: createOverlayMap(blockCount(diskSize)),
  publish: async () => {},
  flush: async () => {},
});

/** Bytes of both maps that are compared at a time when loading. */
const LOAD_STEP = 1024 * 1024;

class FileKeeper implements OverlayKeeper {
  readonly map: OverlayMap;
  readonly flush = coalesce(() => this.#flush());
  readonly #file: BlockDevice;
  readonly #layout: OverlayLayout;
  readonly #unpublished = new Set<number>();
  readonly #unflushed = new Set<number>();
  // One run at a time: two writes of the same page under way at once could land in either order.
  readonly #publishOnce = coalesce(() => this.#publish());

  constructor(file: BlockDevice, layout: OverlayLayout, diskSize: number) {
    this.#file = file;
    this.#layout = layout;
    this.map = createOverlayMap(blockCount(diskSize), (page) => {
      this.#unpublished.add(page);
      this.#unflushed.add(page);
    });
  }

  async publish(): Promise<void> {
    if (this.#unpublished.size > 0) await this.#publishOnce();
  }

  /** Takes over the map that may be believed: the live one under the kernel that wrote it, else the one behind flushed data. */
  async load(bootId: string): Promise<void> {
    const { mapAt, liveMapAt } = this.#layout;
    const record = Buffer.alloc(BOOT_SIZE);
    record.write(bootId, 'latin1');
    const recorded = Buffer.alloc(BOOT_SIZE);
    await this.#file.read(BOOT_AT, recorded);
    const sameKernel = bootId !== '' && recorded.equals(record);
    const differing = sameKernel ? this.#unflushed : this.#unpublished;
    for (let at = 0; at < this.map.bytes.length; at += LOAD_STEP) {
      const length = Math.min(LOAD_STEP, this.map.bytes.length - at);
      const flushed = Buffer.alloc(length);
      const live = Buffer.alloc(length);
      await Promise.all([this.#file.read(mapAt + at, flushed), this.#file.read(liveMapAt + at, live)]);
      this.map.bytes.set(sameKernel ? live : flushed, at);
      for (let page = 0; page < length; page += MAP_PAGE) {
        if (flushed.compare(live, page, page + MAP_PAGE, page, page + MAP_PAGE) !== 0) differing.add((at + page) / MAP_PAGE);
      }
    }
    if (sameKernel) return;
    await this.publish();
    await this.#file.write(BOOT_AT, record);
  }

  async #publish(): Promise<void> {
    const pages = take(this.#unpublished);
    try {
      await Promise.all(pages.map((page) => this.#file.write(this.#layout.liveMapAt + page * MAP_PAGE, this.#page(page))));
    } catch (reason) {
      for (const page of pages) this.#unpublished.add(page);
      throw reason;
    }
  }

  async #flush(): Promise<void> {
    // Copies: bits set from here on stand for data that this flush may not cover.
    const pages = take(this.#unflushed).map((page) => ({ page, bytes: this.#page(page).slice() }));
    try {
      await this.#file.flush();
      if (pages.length === 0) return;
      await Promise.all(pages.map(({ page, bytes }) => this.#file.write(this.#layout.mapAt + page * MAP_PAGE, bytes)));
      await this.#file.flush();
    } catch (reason) {
      for (const { page } of pages) this.#unflushed.add(page);
      throw reason;
    }
  }

  #page(page: number): Uint8Array {
    return this.map.bytes.subarray(page * MAP_PAGE, (page + 1) * MAP_PAGE);
  }
}

const take = (pages: Set<number>): number[] => {
  const taken = [...pages];
  pages.clear();
  return taken;
};

/** `file` is laid out as `overlay-header.ts` says; `bootId` names the running kernel, empty where there is no such name. */
export const loadKeeper = async (file: BlockDevice, layout: OverlayLayout, diskSize: number, bootId: string): Promise<OverlayKeeper> => {
  const keeper = new FileKeeper(file, layout, diskSize);
  await keeper.load(bootId);
  return keeper;
};
