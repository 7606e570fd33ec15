import { execFileSync } from 'node:child_process';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { archiveOf, modulePaths } from '../testing/archive.ts';
import { moduleNames, readInitramfs } from './initramfs.ts';

const EARLY = archiveOf(['kernel/x86/microcode/GenuineIntel.bin']);
const MAIN = archiveOf(['init', 'conf/initramfs.conf', ...modulePaths('6.1.0', ['virtio_blk', 'virtio-pci', 'ahci'])]);

describe('an initramfs', () => {
  it.each([
    ['as it is', (data: Buffer) => data],
    ['gzip', gzipSync],
    ['zstd', zstdCompressSync],
    ['xz', (data: Buffer) => execFileSync('xz', ['--check=crc32', '-c'], { input: data })],
  ])('is read, microcode in front of it and padding between: %s', async (_, compress) => {
    const { names, maker } = await readInitramfs(Buffer.concat([EARLY, Buffer.alloc(1024 - (EARLY.length % 512)), compress(MAIN)]));
    expect(names).toContain('kernel/x86/microcode/GenuineIntel.bin');
    expect([...moduleNames(names)].sort()).toEqual(['ahci', 'virtio_blk', 'virtio_pci']);
    expect(maker).toBe('initramfs-tools');
  });

  it('says who made it', async () => {
    expect((await readInitramfs(archiveOf(['usr/lib/dracut/hooks/x']))).maker).toBe('dracut');
    expect((await readInitramfs(archiveOf(['init', 'bin/busybox']))).maker).toBe('other');
  });

  it('that is packed over and over, as one that holds itself is, is damage too', async () => {
    const packed = (times: number): Buffer => (times === 0 ? MAIN : gzipSync(packed(times - 1)));
    expect((await readInitramfs(packed(2))).maker).toBe('initramfs-tools');
    await expect(readInitramfs(packed(30))).rejects.toMatchObject({ code: 'DAMAGED' });
  });

  it('that is none, or breaks off anywhere, is damage and nothing else', async () => {
    await expect(readInitramfs(Buffer.from('something else'))).rejects.toMatchObject({ code: 'DAMAGED' });
    const packed = gzipSync(MAIN);
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(MAIN, packed), fc.double({ min: 0, max: 1, noNaN: true }), async (whole, share) => {
        const cut = whole.subarray(0, Math.floor(share * (whole.length - 1)));
        await readInitramfs(cut).then(
          ({ names }) => expect(names).toEqual([]),
          (reason) => expect(reason).toMatchObject({ code: 'DAMAGED' }),
        );
      }),
      { numRuns: 60 },
    );
  });
});
