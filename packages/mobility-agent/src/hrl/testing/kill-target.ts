// A process to be killed: commits and frees cuts as fast as it can and says on standard output what has been done.
// Arguments: directory on disk, directory in memory.
import fs from 'node:fs';
import { flushCompileCache } from 'node:module';
import { idText } from '@holdfast/protocol';
import { openHrl } from '../open-hrl.ts';
import { commitCut, MACHINE } from './scripted-cuts.ts';

const MIB = 1024 * 1024;

const run = async (directory: string, hotDirectory: string): Promise<never> => {
  const hot = { directory: hotDirectory, bytes: 3 * MIB };
  const hrl = await openHrl({ machineId: MACHINE, directory, hot, quotaBytes: 8 * MIB, segmentBytes: MIB });
  const say = (line: string): void => void fs.writeSync(1, `${line}\n`);
  say(`open ${hrl.recovery.boot}`);
  for (;;) {
    const sizes = Array.from({ length: Math.floor(Math.random() * 6) }, () => Math.floor(Math.random() * 200_000));
    say(`commit ${commitCut(hrl, [sizes, [100]]).print}`);
    while (hrl.usedBytes > 6 * MIB || (hrl.committed().length > 0 && Math.random() < 0.5)) {
      const id = idText(hrl.committed()[0]!.cut.id);
      hrl.free(id);
      say(`free ${id}`);
    }
  }
};

// It never ends by itself: what was compiled is kept now, for the next one.
flushCompileCache();
void run(process.argv[2]!, process.argv[3]!);
