/** Knows which streams have not come to their very end, so that what they write last is waited for. */
export interface OpenStreams {
  /** The same messages; counted from the first one asked for until the stream is over. */
  count<T>(messages: AsyncIterable<T>): AsyncIterable<T>;
  /** Resolves when none is open. */
  over(): Promise<void>;
}

export const createOpenStreams = (): OpenStreams => {
  const open = new Set<Promise<void>>();
  return {
    async *count(messages) {
      const { promise, resolve } = Promise.withResolvers<void>();
      open.add(promise);
      try {
        yield* messages;
      } finally {
        open.delete(promise);
        resolve();
      }
    },
    over: async () => void (await Promise.all(open)),
  };
};
