/** Bounds what is under way at once: so many requests, so many bytes. One taker at a time; it waits until enough was given back. */
export interface Budget {
  /** Resolves at once (returns undefined) or when there is room. A request larger than the whole budget gets it alone. */
  take(bytes: number): Promise<void> | undefined;
  give(bytes: number): void;
  /** Resolves when all was given back. */
  idle(): Promise<void>;
}

class RequestBudget implements Budget {
  readonly #requests: number;
  readonly #bytes: number;
  #requestsUsed = 0;
  #bytesUsed = 0;
  #taker: { bytes: number; resolve: () => void } | undefined;
  #idle: (() => void) | undefined;

  constructor(requests: number, bytes: number) {
    this.#requests = requests;
    this.#bytes = bytes;
  }

  take(bytes: number): Promise<void> | undefined {
    if (this.#fits(bytes)) {
      this.#requestsUsed += 1;
      this.#bytesUsed += bytes;
      return undefined;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#taker = { bytes, resolve };
    return promise;
  }

  give(bytes: number): void {
    this.#requestsUsed -= 1;
    this.#bytesUsed -= bytes;
    const taker = this.#taker;
    if (taker !== undefined && this.#fits(taker.bytes)) {
      this.#taker = undefined;
      void this.take(taker.bytes);
      taker.resolve();
    }
    if (this.#requestsUsed === 0) this.#idle?.();
  }

  idle(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#requestsUsed === 0) resolve();
      else this.#idle = resolve;
    });
  }

  #fits(bytes: number): boolean {
    return this.#requestsUsed === 0 || (this.#requestsUsed < this.#requests && this.#bytesUsed + bytes <= this.#bytes);
  }
}

export const createBudget = (requests: number, bytes: number): Budget => new RequestBudget(requests, bytes);
