// node serve-file.ts IMAGE SOCKET: our NBD server on a file, in a process of its own. It ends when its standard input does.
import { openFileDevice } from '@holdfast/block';
import { createNbdServer } from '@holdfast/nbd';

const [image, path] = process.argv.slice(2);
if (image === undefined || path === undefined) throw new TypeError('usage: serve-file.ts IMAGE SOCKET');
const device = await openFileDevice(image);
const server = await createNbdServer({ exports: new Map([['', { device }]]), listen: { path } });
process.stdin.resume().once('end', async () => {
  await server.close();
  await device.close();
});
