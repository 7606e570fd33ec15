// node open-view.ts VAULT KEYFILE: opens the newest point of the only machine of a vault, reads a block, and says what it took, as JSON.
import { readFileSync } from 'node:fs';
import { createFolderStore, withMetrics } from '@holdfast/object-store';
import { openVault, openView, readKeyFile, readMachine } from '@holdfast/vault';

export interface Opened {
  readonly seconds: number;
  /** Resident at most. */
  readonly megabytes: number;
  readonly requests: number;
}

const [folder, keyFile] = process.argv.slice(2);
if (folder === undefined || keyFile === undefined) throw new TypeError('usage: open-view.ts VAULT KEYFILE');
const start = performance.now();
const { store, metrics } = withMetrics(createFolderStore(folder));
const vault = await openVault(store, await readKeyFile(keyFile));
const [machine] = await vault.machines();
const history = await readMachine(vault, machine!.id);
const point = history.points.at(-1)!;
const view = await openView(history, point.id, point.disks[0]!);
await view.read(0, Buffer.alloc(4096));
const opened: Opened = {
  seconds: (performance.now() - start) / 1000,
  // Not what getrusage tells: that begins with the parent's.
  megabytes: (Number(/VmHWM:\s*(\d+) kB/.exec(readFileSync('/proc/self/status', 'latin1'))![1]) * 1024) / 1e6,
  requests: Object.values(metrics.requests).reduce((sum, count) => sum + count, 0),
};
console.log(JSON.stringify(opened));
await view.close();
await vault.close();
