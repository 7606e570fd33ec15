/**
 * A disk as everything above sees it: a view, an overlay, a file, a raw device, an NBD export. Offsets and lengths are bytes and must lie
 * within `size`. Several calls may be under way at once; a read that overlaps a write under way may return either content.
 */
export interface BlockDevice {
  /** Size in bytes. */
  readonly size: number;
  readonly readOnly: boolean;
  /** Fills `target` with the bytes from `offset`; fails as a whole, never short. */
  read(offset: number, target: Uint8Array): Promise<void>;
  write(offset: number, data: Uint8Array): Promise<void>;
  /** Makes the range read as zeroes; may free the room it took. */
  zero(offset: number, length: number): Promise<void>;
  /** Resolves when every completed write is durable. */
  flush(): Promise<void>;
  /** Sorted extents within the range which may hold something else than zeroes; the whole range where that isn't known. */
  allocated(offset: number, length: number): Promise<{ offset: number; length: number }[]>;
  close(): Promise<void>;
}
