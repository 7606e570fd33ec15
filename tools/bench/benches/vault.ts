import type { Bench } from '../bench.ts';
import type { Row } from '../row.ts';
import { benchAppend } from '../vault/append.ts';
import { benchExport } from '../vault/exporting.ts';
import { benchGrowing } from '../vault/growing.ts';
import { benchOpening } from '../vault/opening.ts';
import { benchStored } from '../vault/stored.ts';
import { benchViews } from '../vault/views.ts';

const PARTS = {
  append: benchAppend,
  views: benchViews,
  export: benchExport,
  opening: benchOpening,
  growing: benchGrowing,
  stored: benchStored,
};

/** The vault against what people would use instead. */
export const bench: Bench = {
  name: 'vault',
  about: 'the vault: appending, reading, opening, growing, against pipes, qemu and restic',
  parts: Object.keys(PARTS),
  tools: ['nbd', 'load'],
  run: async (context) => {
    const rows: Row[] = [];
    for (const [name, measure] of Object.entries(PARTS)) if (context.wants(name)) rows.push(...(await measure(context)));
    return rows;
  },
};
