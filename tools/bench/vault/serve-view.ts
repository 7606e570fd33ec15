// node serve-view.ts VAULT KEYFILE SOCKET: our NBD server on the newest point of the only machine of a vault. It ends when its standard input does.
import { createNbdServer } from '@holdfast/nbd';
import { createFolderStore } from '@holdfast/object-store';
import { openVault, openView, readKeyFile, readMachine } from '@holdfast/vault';

const [folder, keyFile, path] = process.argv.slice(2);
if (folder === undefined || keyFile === undefined || path === undefined) throw new TypeError('usage: serve-view.ts VAULT KEYFILE SOCKET');
const vault = await openVault(createFolderStore(folder), await readKeyFile(keyFile));
const [machine] = await vault.machines();
const history = await readMachine(vault, machine!.id);
const point = history.points.at(-1)!;
const device = await openView(history, point.id, point.disks[0]!);
const server = await createNbdServer({ exports: new Map([['', { device, readOnly: true }]]), listen: { path } });
process.stdin.resume().once('end', async () => {
  await server.close();
  await device.close();
  await vault.close();
});
