/** A cut an agent made. */
export interface MadeCut {
  readonly cutId: string;
  /** When, milliseconds. */
  readonly at: number;
  readonly isEmpty: boolean;
}

/**
 * When the newest cut was made up to which nothing can be lost: durable, or empty and on the server's disk behind one that is durable. Undefined before
 * the first durable one. `held`: what is not durable. Forgets older cuts of `made`.
 */
export const durableSince = (
  made: MadeCut[],
  held: { has(cutId: string): boolean },
  journaled: { has(cutId: string): boolean },
): number | undefined => {
  const open = made.findIndex(({ cutId }) => held.has(cutId));
  const durable = open < 0 ? made.length : open;
  if (durable > 1) made.splice(0, durable - 1);
  if (made.length === 0 || durable === 0) return undefined;
  let since = made[0]!.at;
  for (const { cutId, at, isEmpty } of made.slice(1)) {
    if (!isEmpty || !journaled.has(cutId)) break;
    since = at;
  }
  return since;
};
