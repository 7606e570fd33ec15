/** Wakes the one who waits for something to happen; what happened before the wait counts too. */
export interface Notice {
  give(): void;
  /** Resolves at a notice, when the signal is aborted, or after so many milliseconds. */
  wait(signal: AbortSignal, milliseconds?: number): Promise<void>;
}

export const createNotice = (): Notice => {
  let given = false;
  let wake: (() => void) | undefined;
  return {
    give() {
      given = true;
      wake?.();
    },
    async wait(signal, milliseconds) {
      if (!given && !signal.aborted) {
        await new Promise<void>((resolve) => {
          const done = (): void => {
            clearTimeout(timer);
            signal.removeEventListener('abort', done);
            wake = undefined;
            resolve();
          };
          const timer = milliseconds === undefined ? undefined : setTimeout(done, milliseconds);
          signal.addEventListener('abort', done);
          wake = done;
        });
      }
      given = false;
    },
  };
};
