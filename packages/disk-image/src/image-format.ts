/** The formats an image can have. `vhd` is the fixed kind, as Azure takes it; `vmdk` is streamOptimized, as in an OVA. */
export const IMAGE_FORMATS = ['raw', 'vhd', 'vmdk', 'qcow2'] as const;
export type ImageFormat = (typeof IMAGE_FORMATS)[number];

/** The next bytes of an image: these, or so many zeroes that need not be written. `data` is there until the next piece is asked for. */
export type Piece = { readonly data: Uint8Array } | { readonly hole: number };

/** What images say about themselves. The same device with the same label makes the same image, byte for byte. */
export interface ImageLabel {
  /** 16 bytes: the id of the disk in a VHD, the content id of a VMDK. */
  readonly id: Uint8Array;
  /** Milliseconds since 1970. */
  readonly made: number;
}

/** An image about to be made. */
export interface Encoding {
  /** Bytes a machine sees: the size of the device, rounded up to what the format can say. */
  readonly virtualSize: number;
  /** The whole image from its first byte to its last. */
  readonly pieces: AsyncIterable<Piece>;
}
