/** The end of a stream that has several parts. */
export interface StreamEnd {
  readonly signal: AbortSignal;
  /** Ends the stream; with an error it fails with that. The first call counts. */
  end(error?: Error): void;
  /** Throws what the stream was ended with. */
  check(): void;
}

/** One end for all the parts of a stream: whichever ends first ends the others. `outer` is the call's own signal. */
export const createStreamEnd = (outer: AbortSignal): StreamEnd => {
  const controller = new AbortController();
  let failure: Error | undefined;
  const end = (error?: Error): void => {
    if (controller.signal.aborted) return;
    failure = error;
    controller.abort();
  };
  if (outer.aborted) end();
  outer.addEventListener('abort', () => end(), { once: true });
  return {
    signal: controller.signal,
    end,
    check() {
      if (failure !== undefined) throw failure;
    },
  };
};
