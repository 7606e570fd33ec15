import type { Bench } from '../bench.ts';
import { churn } from '../replicate/churn.ts';
import { distance } from '../replicate/distance.ts';
import { initialCopy } from '../replicate/initial.ts';
import type { Row } from '../row.ts';

const PARTS = { initial: initialCopy, churn, distance };

/** The road from a disk into a vault in a folder: mutual TLS, a journal that is synced, both programs on this machine. */
export const bench: Bench = {
  name: 'replicate',
  about: 'an agent and a process server on this machine: the first copy, a steady load, a long way between them',
  tools: ['filesystems', 'load'],
  parts: Object.keys(PARTS),
  run: async (context) => {
    const rows: Row[] = [];
    for (const [name, measure] of Object.entries(PARTS)) if (context.wants(name)) rows.push(...(await measure(context)));
    return rows;
  },
};
