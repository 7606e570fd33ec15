import { hash } from 'node:crypto';
import type { Epoch } from '@holdfast/protocol';

const IDENTITY = 16;
const ENTRY = IDENTITY + 16;

/** The epochs of a generation as far as a writer has to remember them for years: 32 bytes each, one buffer. */
export class EpochList {
  #bytes = Buffer.alloc(ENTRY * 16);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(epoch: Epoch): void {
    const at = this.#length * ENTRY;
    if (at === this.#bytes.length) this.#bytes = Buffer.concat([this.#bytes, Buffer.alloc(this.#bytes.length)]);
    identityOf(epoch).copy(this.#bytes, at);
    this.#bytes.writeDoubleLE(Number(epoch.diskSize), at + IDENTITY);
    this.#bytes.writeDoubleLE(Number(epoch.coveredThrough), at + IDENTITY + 8);
    this.#length += 1;
  }

  pop(): void {
    this.#length -= 1;
  }

  /** True when the epoch of that number is of the same cut with the same content. */
  holds(epoch: Epoch): boolean {
    const at = Number(epoch.number) * ENTRY;
    return Buffer.compare(this.#bytes.subarray(at, at + IDENTITY), identityOf(epoch)) === 0;
  }

  /** Bytes of the disk, and bytes that an open copy has covered, at the newest epoch. */
  last(): { readonly diskSize: number; readonly coveredThrough: number } {
    const at = (this.#length - 1) * ENTRY + IDENTITY;
    return { diskSize: this.#bytes.readDoubleLE(at), coveredThrough: this.#bytes.readDoubleLE(at + 8) };
  }
}

const identityOf = ({ cutId, contentDigest }: Epoch): Buffer =>
  hash('sha256', Buffer.concat([cutId, contentDigest]), 'buffer').subarray(0, IDENTITY);
