/** What `promise` resolves to, unless the signal is aborted first: then its reason is thrown, and what becomes of the promise is nobody's concern. */
export const orStopped = async <T>(signal: AbortSignal, promise: Promise<T>): Promise<T> => {
  const { promise: stopped, reject } = Promise.withResolvers<never>();
  const stop = (): void => reject(signal.reason);
  signal.addEventListener('abort', stop, { once: true });
  // Whichever loses the race may fail unseen.
  stopped.catch(() => {});
  promise.catch(() => {});
  try {
    signal.throwIfAborted();
    return await Promise.race([promise, stopped]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
};
