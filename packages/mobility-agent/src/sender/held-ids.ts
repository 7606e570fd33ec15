/**
 * Cuts that are told when a stream opens. A machine that was away for days holds any number, a message does not: those that are not told are sent, and a
 * process server that knows one says so then.
 */
const MOST_TOLD = 100_000;

/** Ids of the oldest cuts that are held. */
export const heldIds = (held: Iterable<{ readonly cut: { readonly id: Uint8Array } }>): Uint8Array[] => {
  const ids: Uint8Array[] = [];
  for (const { cut } of held) {
    if (ids.length === MOST_TOLD) break;
    ids.push(cut.id);
  }
  return ids;
};
