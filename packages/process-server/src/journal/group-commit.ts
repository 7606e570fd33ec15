/** Lets many wait for one sync: who comes while one runs waits, with all others who came, for the next. */
export interface GroupCommit {
  /** Resolves when a sync that began after this call is done. */
  wait(): Promise<void>;
}

export const createGroupCommit = (sync: () => Promise<void>): GroupCommit => {
  let gathering: PromiseWithResolvers<void> | undefined;
  let running = false;

  const run = async (): Promise<void> => {
    running = true;
    while (gathering !== undefined) {
      const group = gathering;
      gathering = undefined;
      await sync().then(group.resolve, group.reject);
    }
    running = false;
  };

  return {
    wait() {
      gathering ??= Promise.withResolvers<void>();
      const { promise } = gathering;
      if (!running) void run();
      return promise;
    },
  };
};
