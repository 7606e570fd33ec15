import { inThread, libc, systemError } from './libc.ts';

/** Request numbers as on x86-64 and arm64 (asm-generic encoding). */
const BLKGETSIZE64 = 0x8008_1272;
const BLKGETDISKSEQ = 0x8008_1280;
const FIFREEZE = 0xc004_5877;
const FITHAW = 0xc004_5878;
const FS_IOC_FIEMAP = 0xc020_660b;
const FS_IOC_FSGETXATTR = 0x801c_581f;

const call = (name: string, fd: number, request: number, argument: Buffer): Buffer => {
  if (libc().ioctl(fd, request, argument) < 0) throw systemError(name);
  return argument;
};

/** Bytes of an open block device. */
export const deviceSize = (fd: number): number => Number(call('BLKGETSIZE64', fd, BLKGETSIZE64, Buffer.alloc(8)).readBigUInt64LE());

/** The number of this appearance of an open block device; throws ENOTTY before Linux 5.15. */
export const deviceSequence = (fd: number): number => Number(call('BLKGETDISKSEQ', fd, BLKGETDISKSEQ, Buffer.alloc(8)).readBigUInt64LE());

/** Flushes and stops a file system (`fd`: any directory of it) until `thaw`; EBUSY if it is frozen already. */
export const freeze = (fd: number): void => void call('FIFREEZE', fd, FIFREEZE, Buffer.alloc(4));

/** The same while the program goes on: it takes as long as writing out all that is in memory. */
export const freezeBeside = (fd: number): Promise<void> => inThread('ioctl', fd, FIFREEZE, Buffer.alloc(4));

/** Writes out what is in memory of a file system, while the program goes on. */
export const flush = (fd: number): Promise<void> => inThread('syncfs', fd);

export const thaw = (fd: number): void => void call('FITHAW', fd, FITHAW, Buffer.alloc(4));

/** `struct fiemap` (linux/fiemap.h), filled in by the kernel in place. */
export const fileExtents = (fd: number, request: Buffer): Buffer => call('FS_IOC_FIEMAP', fd, FS_IOC_FIEMAP, request);

/** The `fsx_xflags` of an open file (linux/fs.h). */
export const extendedFlags = (fd: number): number => call('FS_IOC_FSGETXATTR', fd, FS_IOC_FSGETXATTR, Buffer.alloc(28)).readUInt32LE();
