// One of several processes that race to create the same objects (see folder-store.spec.ts): prints the numbers it won.
import { isHoldfastError } from '@holdfast/errors';
import { createFolderStore } from './folder-store.ts';

const [root = '', racer = '', count = '', size = ''] = process.argv.slice(2);
const store = createFolderStore(root);
const wins: number[] = [];
process.stdout.write('ready\n');
process.stdin.once('data', async () => {
  for (let index = 0; index < Number(count); index += 1) {
    try {
      await store.create(`race/${index}`, Buffer.alloc(Number(size), Number(racer)));
      wins.push(index);
    } catch (reason) {
      if (!isHoldfastError(reason, 'OBJECT_EXISTS')) throw reason;
    }
  }
  process.stdout.write(`${JSON.stringify(wins)}\n`);
  process.exit(0);
});
