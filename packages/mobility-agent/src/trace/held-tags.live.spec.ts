import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openDiskCounters } from './disk-counters.ts';
import { watchHeldTags } from './held-tags.ts';
import { createLoopDisk, run } from './testing/loop-disk.ts';

const MIB = 1024 * 1024;

describe.unless(lacks('root', 'losetup', 'mkfs.ext4', 'fsfreeze'), 'held tags of a disk', () => {
  it('are held as long as a write is under way', async () => {
    const folder = mkdtempSync('/dev/shm/holdfast-tags-');
    const outer = createLoopDisk(64 * MIB);
    const mounted = join(folder, 'mounted');
    mkdirSync(mounted);
    run('mkfs.ext4', '-q', outer.path);
    run('mount', outer.path, mounted);
    // Writes of this disk wait for the file system that its file lies in.
    const image = join(mounted, 'image');
    writeFileSync(image, '');
    truncateSync(image, 16 * MIB);
    const path = run('losetup', '--find', '--show', image);
    const name = path.slice('/dev/'.length);
    const counters = openDiskCounters(name);
    try {
      expect(watchHeldTags(name).isOver()).toBe(true);
      run('fsfreeze', '--freeze', mounted);
      const writing = spawn('dd', ['if=/dev/urandom', `of=${path}`, 'bs=4k', 'count=1', 'oflag=direct', 'conv=notrunc'], {
        stdio: 'ignore',
      });
      const written = once(writing, 'exit');
      try {
        while (counters.writesInFlight() === 0) await new Promise(setImmediate);
        const watch = watchHeldTags(name);
        for (let looks = 0; looks < 1000; looks += 1) expect(watch.isOver()).toBe(false);
        run('fsfreeze', '--unfreeze', mounted);
        await written;
        while (!watch.isOver()) await new Promise(setImmediate);
      } finally {
        if (writing.exitCode === null) run('fsfreeze', '--unfreeze', mounted);
        await written;
      }
    } finally {
      counters.close();
      run('losetup', '--detach', path);
      run('umount', mounted);
      outer.detach();
      rmSync(folder, { recursive: true });
    }
  });
});
