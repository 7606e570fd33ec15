import type { Bench } from '../bench.ts';
import { benchAppend } from '../vault/append.ts';
import { benchExport } from '../vault/exporting.ts';
import { benchGrowing } from '../vault/growing.ts';
import { benchOpening } from '../vault/opening.ts';
import { benchStored } from '../vault/stored.ts';
import { benchViews } from '../vault/views.ts';

/** The vault against what people would use instead. HOLDFAST_BENCH_PARTS names parts of it, with commas between. */
export const bench: Bench = {
  name: 'vault',
  about: 'the vault: appending, reading, opening, growing, against pipes, qemu and restic',
  tools: ['nbd', 'load'],
  run: async (context) => {
    const parts = {
      append: benchAppend,
      views: benchViews,
      export: benchExport,
      opening: benchOpening,
      growing: benchGrowing,
      stored: benchStored,
    };
    const chosen = process.env['HOLDFAST_BENCH_PARTS']?.split(',');
    const rows = [];
    for (const [name, part] of Object.entries(parts)) if (chosen?.includes(name) ?? true) rows.push(...(await part(context)));
    return rows;
  },
};
