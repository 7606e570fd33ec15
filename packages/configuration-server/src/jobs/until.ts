/**
 * Resolves when `look` gives something, or when `signal` aborts (then undefined). It looks now and whenever one of `subscriptions` calls
 * back; each gives what ends it.
 */
export const until = async <T>(
  look: () => Promise<T | undefined> | T | undefined,
  subscriptions: readonly ((listener: () => void) => () => void)[],
  signal: AbortSignal,
): Promise<T | undefined> => {
  let news = Promise.withResolvers<void>();
  const wake = (): void => news.resolve();
  const forget = subscriptions.map((subscribe) => subscribe(wake));
  signal.addEventListener('abort', wake, { once: true });
  try {
    while (!signal.aborted) {
      news = Promise.withResolvers<void>();
      const found = await look();
      if (found !== undefined) return found;
      if (!signal.aborted) await news.promise;
    }
    return undefined;
  } finally {
    signal.removeEventListener('abort', wake);
    for (const end of forget) end();
  }
};
