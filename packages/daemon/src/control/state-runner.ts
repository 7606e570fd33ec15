/** Hands states to a handler, one after the other; of those that come while it is at work only the newest. */
export interface StateRunner<State> {
  give(state: State): void;
  /** Resolves when the handler is not at work. */
  idle(): Promise<void>;
}

/** `onDone` hears how each call ended: with undefined, or with what it threw. */
export const createStateRunner = <State>(
  handle: (state: State) => void | Promise<void>,
  onDone: (failure: unknown) => void,
): StateRunner<State> => {
  let newest: { readonly state: State } | undefined;
  let working: Promise<void> | undefined;
  const work = async (): Promise<void> => {
    for (let next = newest; next !== undefined; next = newest) {
      newest = undefined;
      const { state } = next;
      await Promise.resolve()
        .then(() => handle(state))
        .then(() => onDone(undefined), onDone);
    }
    working = undefined;
  };
  return {
    give(state) {
      newest = { state };
      working ??= work();
    },
    idle: () => working ?? Promise.resolve(),
  };
};
