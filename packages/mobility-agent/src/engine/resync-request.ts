import type { HrlHead } from '../hrl/hrl.ts';

/** Which disks still have to begin anew for a request to resynchronize: each does so once, however often the capture is opened meanwhile. */
export interface ResyncRequest {
  /** Of these disks those that have not begun yet; one that is being copied anyway has. */
  due(resyncId: string, diskIds: readonly string[], heads: ReadonlyMap<string, Pick<HrlHead, 'generationId' | 'open'>>): string[];
}

export const createResyncRequest = (): ResyncRequest => {
  let request = '';
  /** The generation each disk had when it was first asked about; empty where it need not begin. */
  let before = new Map<string, string>();
  return {
    due(resyncId, diskIds, heads) {
      if (resyncId !== request) {
        request = resyncId;
        before = new Map();
      }
      return diskIds.filter((id) => {
        const head = heads.get(id);
        if (head === undefined) return false;
        if (!before.has(id)) before.set(id, head.open ? '' : head.generationId);
        return !head.open && head.generationId === before.get(id);
      });
    },
  };
};
