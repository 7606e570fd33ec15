/** A whole disk that can be traced, as found at one moment. */
export interface TracedDevice {
  /** The device node opened for reading, for example `/dev/vda`. */
  readonly path: string;
  /** The kernel's name under `/sys/block`. */
  readonly name: string;
  readonly major: number;
  readonly minor: number;
  /** Bytes. */
  readonly size: number;
  /** Bytes; what offsets and lengths of direct reads must be multiples of. */
  readonly logicalBlockSize: number;
  /** The kernel's number of this appearance of the device (since 5.15), 0 where it has none. Another file behind a loop device changes it. */
  readonly diskSequence: number;
  /** What the device says of itself, empty when it says nothing. */
  readonly serial: string;
}
