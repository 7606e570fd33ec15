export type Outcome<T> = { readonly done: true; readonly value: T } | { readonly done: false };

/** The outcome of `work`, or `done: false` after so many milliseconds; the work itself goes on. A rejection is passed on. */
export const within = async <T>(milliseconds: number, work: () => Promise<T>): Promise<Outcome<T>> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Outcome<T>>((resolve) => {
    timer = setTimeout(() => resolve({ done: false }), milliseconds);
  });
  try {
    return await Promise.race([work().then((value): Outcome<T> => ({ done: true, value })), late]);
  } finally {
    clearTimeout(timer);
  }
};
