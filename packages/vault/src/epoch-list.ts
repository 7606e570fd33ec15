import { hash } from 'node:crypto';
import type { Epoch } from '@holdfast/protocol';

const IDENTITY = 16;
const ENTRY = IDENTITY + 16;

/** What is left of epochs that are not remembered one by one. */
export interface ForgottenEpochs {
  readonly length: number;
  /** Of the last one. */
  readonly diskSize: number;
  readonly coveredThrough: number;
}

/** The epochs of a generation as far as a writer has to remember them for years: 32 bytes each, one buffer. */
export class EpochList {
  readonly #forgotten: ForgottenEpochs;
  #bytes = Buffer.alloc(ENTRY * 16);
  /** Behind the forgotten ones. */
  #length = 0;

  constructor(forgotten: ForgottenEpochs = { length: 0, diskSize: 0, coveredThrough: 0 }) {
    this.#forgotten = forgotten;
  }

  get length(): number {
    return this.#forgotten.length + this.#length;
  }

  /** True for an epoch of which nothing but its being there is remembered. */
  isForgotten(number: bigint): boolean {
    return number < this.#forgotten.length;
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

  /** True when the epoch of that number is of the same cut with the same content, as far as it is remembered. */
  holds(epoch: Epoch): boolean {
    if (this.isForgotten(epoch.number)) return true;
    const at = (Number(epoch.number) - this.#forgotten.length) * ENTRY;
    return Buffer.compare(this.#bytes.subarray(at, at + IDENTITY), identityOf(epoch)) === 0;
  }

  /** Bytes of the disk, and bytes that an open copy has covered, at the newest epoch. */
  last(): { readonly diskSize: number; readonly coveredThrough: number } {
    if (this.#length === 0) return { diskSize: this.#forgotten.diskSize, coveredThrough: this.#forgotten.coveredThrough };
    const at = (this.#length - 1) * ENTRY + IDENTITY;
    return { diskSize: this.#bytes.readDoubleLE(at), coveredThrough: this.#bytes.readDoubleLE(at + 8) };
  }
}

const identityOf = ({ cutId, contentDigest }: Epoch): Buffer =>
  hash('sha256', Buffer.concat([cutId, contentDigest]), 'buffer').subarray(0, IDENTITY);
