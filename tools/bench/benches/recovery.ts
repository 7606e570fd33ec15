import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { startAzurite } from '../../azurite/index.ts';
import { makeMiniVault, makeVaultOf } from '../../recovery/make-vault.ts';
import type { Bench, BenchContext } from '../bench.ts';
import { comparePairs, type Side } from '../measure.ts';
import { measureHydration } from '../recovery/hydration.ts';
import { atOnceFromVault, DEBIAN, fromFile, fromVault, MINI } from '../recovery/start-times.ts';
import type { Row } from '../row.ts';

const TIB = 2 ** 40;
/** A point every five seconds of seven hours. */
const HISTORY = 5_000;
/** The floor: one and a half times what the local file takes, or five seconds more, whichever is longer. */
const TIMES = 1.5;
const MORE_SECONDS = 5;
/** Of a group of a plan. */
const MACHINES = 10;

const compare = async ({ pairs }: BenchContext, measure: string, ours: Side, theirs: Side, moreSeconds = MORE_SECONDS): Promise<Row[]> => {
  const times: number[] = [];
  const noted: Side = {
    name: theirs.name,
    run: async () => {
      const sample = await theirs.run();
      times.push(sample.value);
      return sample;
    },
  };
  const [row] = await comparePairs({ measure, unit: 's', ours, theirs: noted, pairs });
  const local = times.toSorted((a, b) => a - b)[times.length >> 1]!;
  const bound = Math.max(TIMES, 1 + moreSeconds / local);
  const met = row!.ratio! <= 1.1 ? 'stretch' : row!.ratio! <= bound ? 'goal' : 'missed';
  return [{ ...row!, goal: `<= ${bound.toFixed(2)}`, stretch: '<= 1.1', met }];
};

/** From the command to the console: how long a machine takes that is started from a vault, against the same one on a local disk. */
export const bench: Bench = {
  name: 'recovery',
  about:
    '`holdfast recover boot` to the marker on the console, against QEMU on a local raw file with the same content; ten machines at once; hydration',
  parts: ['folder', 'azurite', 'sparse', 'ten', 'debian', 'hydration'],
  tools: ['guest', 'nbd'],
  run: async (context) => {
    const { directory, wants, note, pairs } = context;
    const rows: Row[] = [];
    const machine = { memoryBytes: MINI.memoryBytes, processors: 1 };
    const local = fromFile(directory);
    const at = (name: string): string => path.join(directory, name);
    if (wants('folder') || wants('sparse') || wants('ten')) {
      const vault = await makeMiniVault(`file:${at('vault')}`, at('key'), machine);
      const ours = fromVault('from a vault in a folder', vault, directory);
      if (wants('folder')) {
        note('start out of a folder');
        rows.push(...(await compare(context, 'command to console, vault in a folder', ours, local)));
      }
      if (wants('ten')) {
        note(`${MACHINES} machines at once`);
        const about = { measure: `${MACHINES} machines at once, until the last one is up`, unit: 's', goal: { atMost: TIMES } };
        const sides = { ours: atOnceFromVault(vault, directory, MACHINES), theirs: fromFile(directory, MINI, MACHINES) };
        rows.push(...(await comparePairs({ ...about, ...sides, pairs })));
      }
      if (wants('sparse')) {
        note(`start of a disk of 1 TiB with ${HISTORY} points`);
        const large = await makeMiniVault(`file:${at('large')}`, at('large.key'), { ...machine, size: TIB, history: HISTORY });
        const sparse = fromVault('1 TiB, long history', large, directory);
        const about = {
          measure: `the same with a disk of 1 TiB and ${HISTORY} points, against 64 MiB and one`,
          unit: 's',
          ours: sparse,
          theirs: { ...ours, name: '64 MiB' },
          pairs,
        };
        rows.push(...(await comparePairs({ ...about, goal: { atMost: 1.2 } })));
      }
    }
    if (wants('debian')) {
      note('start of a whole Debian');
      const disks = [{ name: 'sda', path: await DEBIAN.image() }];
      const about = { name: 'server', disks, memoryBytes: DEBIAN.memoryBytes, processors: 1 };
      const vault = await makeVaultOf(`file:${at('server')}`, at('server.key'), about);
      const ours = fromVault('from a vault in a folder', vault, directory, DEBIAN);
      rows.push(...(await compare(context, 'a whole Debian: command to login, vault in a folder', ours, fromFile(directory, DEBIAN), 0)));
    }
    if (wants('azurite')) {
      note('start out of Azurite');
      await mkdir(at('azurite'));
      const azurite = await startAzurite({ folder: at('azurite') });
      try {
        const url = await azurite.createContainer('recovery');
        // This process writes the vault, the command that is measured reads it.
        process.env['AZURE_STORAGE_KEY'] = azurite.key;
        const vault = await makeMiniVault(url.startsWith('azure:') ? url : `azure:${url}`, at('azure.key'), machine);
        rows.push(...(await compare(context, 'command to console, vault in Azurite', fromVault('from Azurite', vault, directory), local)));
      } finally {
        await azurite.stop();
      }
    }
    if (wants('hydration')) rows.push(await measureHydration(context));
    return rows;
  },
};
