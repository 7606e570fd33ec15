/**
 * The tracking memory: a directory `<state name>` in a tmpfs with the file `state` and, per traced disk, the files `dirty-<index>` and
 * `leaves-<index>`. They are mapped shared and locked, written by plain stores, never synced: they outlive the process, not the machine.
 * All numbers little-endian; counts are IEEE doubles (whole, exact to 2^53), so that JavaScript stores each with one instruction.
 *
 * `state`:
 *
 *     0      header
 *            0    8 bytes  "HFTRACE\0"
 *            8    u32      version of this layout: 2
 *            12   u32      stage: 0 being made, 1 in use, 2 continuity lost. Written last
 *            16   u32      number of possible CPUs
 *            20   u32      bytes of a sub-buffer
 *            24   u32      process id of the owner, who also holds the file's lock (flock)
 *            32   16 bytes boot id
 *            48   16 bytes machine id
 *            64   64 bytes `buffer_size_kb` of the instance as the kernel words it, ending in zeroes
 *            128  double   seconds the machine had slept when the trace was made
 *     4096   64 disks of 128 bytes
 *            0    u32      stage: 0 free, 1 being added or removed, 2 traced, 3 continuity lost
 *            4    u32      major
 *            8    u32      minor
 *            12   u32      how its writes are told of: 0 as requests, 1 as requests that take several ranges in one discard, 2 as bios
 *            16   double   size in bytes
 *            24   double   disk sequence, 0 if the kernel has none
 *            32   double   baseline of the witness: sectors the kernel had counted as written when `sectors` below were 0
 *            40   u32      what programs may hand to it past the block layer: 0 nothing, 1 SCSI commands, 2 NVMe commands
 *            64   64 bytes serial number, cut off at 64 bytes of UTF-8, ending in zeroes
 *     12288  for each CPU 1280 bytes: what is booked
 *            0    u32      turn: the half in force is `turn % 2`
 *            64   half 0: double records read, then 64 doubles: sectors of completed writes of each disk
 *            640  half 1: the same
 *     then, from a multiple of 4096, for each CPU its slot: one sub-buffer
 *
 * `dirty-<index>`, the dirty set: for each region of 1024 blocks (4 MiB) of the disk a u32: 0 none of them is dirty, 0xffffffff all are, else the
 * number of its leaf, counted from 1. `leaves-<index>`: leaves of 128 bytes, block `b` of the region is bit `b & 31` of its u32 `b >> 5`. It grows and
 * shrinks with what is dirty; leaves that no region names are free, whatever they hold. Where there is no memory for one, all of the region is dirty.
 *
 * A page of the ring is copied by the kernel into the CPU's slot (it is then gone from the ring), its blocks are marked in the bitmaps
 * (harmless to repeat), the half not in force is filled with the sums including the page, `turn` is stored, the slot is zeroed. So after
 * a kill at any instruction the kernel's count of records read equals either the booked one (nothing to do) or the booked one plus the
 * records in the slot (mark and book them now). Zeroes in the slot make sure that a copy cut short is not taken for a page.
 */
export const MAGIC = 'HFTRACE\0';
export const VERSION = 2;
export const DISK_LIMIT = 64;

export const HEADER = {
  magic: 0,
  version: 8,
  stage: 12,
  cpus: 16,
  subBuffer: 20,
  owner: 24,
  bootId: 32,
  machineId: 48,
  kilobytes: 64,
  asleep: 128,
} as const;
export const STAGE = { making: 0, used: 1, lost: 2 } as const;

export const DISK = { stage: 0, major: 4, minor: 8, told: 12, size: 16, sequence: 24, baseline: 32, passThrough: 40, serial: 64 } as const;
export const TOLD = { requests: 0, gatheringRequests: 1, bios: 2 } as const;
export const DISK_STAGE = { free: 0, changing: 1, traced: 2, lost: 3 } as const;
export const TEXT_BYTES = 64;

const PAGE = 4096;
const DISKS = PAGE;
const DISK_BYTES = 128;
const BOOKS = DISKS + DISK_LIMIT * DISK_BYTES;
const BOOK_BYTES = 1280;
const FIRST_HALF = 64;
const HALF_BYTES = 576;

const toPage = (bytes: number): number => Math.ceil(bytes / PAGE) * PAGE;

export const diskOffset = (index: number): number => DISKS + index * DISK_BYTES;
export const turnOffset = (cpu: number): number => BOOKS + cpu * BOOK_BYTES;
export const halfOffset = (cpu: number, half: number): number => BOOKS + cpu * BOOK_BYTES + FIRST_HALF + half * HALF_BYTES;
export const slotOffset = (cpus: number, subBuffer: number, cpu: number): number =>
  toPage(BOOKS + cpus * BOOK_BYTES) + cpu * toPage(subBuffer);

/** Bytes of the file `state`. */
export const stateBytes = (cpus: number, subBuffer: number): number => slotOffset(cpus, subBuffer, cpus);
