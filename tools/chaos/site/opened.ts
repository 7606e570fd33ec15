/** What is open of something that is being built: closed from behind, however far it came. */
export interface Opened {
  /** Remembers how it is closed. */
  add(close: () => unknown): void;
  /** Closes all, also when some of it fails: that is told. Done again, nothing happens. */
  close(): Promise<void>;
}

export const createOpened = (note: (line: string) => void): Opened => {
  const open: (() => unknown)[] = [];
  return {
    add: (close) => void open.push(close),
    async close() {
      for (let close = open.pop(); close !== undefined; close = open.pop())
        try {
          await close();
        } catch (reason) {
          note(`not closed: ${reason instanceof Error ? reason.message : String(reason)}`);
        }
    },
  };
};
