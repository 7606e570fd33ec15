import { createMiniImage } from './index.ts';

/** `node tools/mini-image/main.ts [amd64]`: builds the image if need be, and prints where it is. */
process.stdout.write(`${(await createMiniImage({ kernel: process.argv[2] === 'amd64' ? 'amd64' : 'cloud' })).path}\n`);
