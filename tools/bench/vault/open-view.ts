// node open-view.ts VAULT KEYFILE MILLISECONDS: opens the newest point of the only machine of a vault, reads a block, and says what it took, as JSON. Each
// request is answered so much later, as by a store that is far away.
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { createFolderStore, withFaults, withMetrics } from '@holdfast/object-store';
import { openVault, openView, readKeyFile, readMachine } from '@holdfast/vault';

export interface Opened {
  readonly seconds: number;
  /** Resident at most. */
  readonly megabytes: number;
  readonly requests: number;
}

const [folder, keyFile, late = '0'] = process.argv.slice(2);
if (folder === undefined || keyFile === undefined) throw new TypeError('usage: open-view.ts VAULT KEYFILE MILLISECONDS');
const delay = Number(late);
const start = performance.now();
const { store, metrics } = withMetrics(withFaults(createFolderStore(folder), () => (delay > 0 ? { stall: sleep(delay) } : undefined)));
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
