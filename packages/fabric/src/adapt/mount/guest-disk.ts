/** A disk to be opened: by NBD, writable. */
export interface GuestDisk {
  readonly id: string;
  /** At the source. */
  readonly name: string;
  readonly uri: string;
}
