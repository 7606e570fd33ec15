import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mayChange, passThroughOf } from './pass-through.ts';

const command = (...bytes: number[]): boolean => mayChange(bytes[0]!, (index) => bytes[index]);

describe('commands handed to a disk past the block layer', () => {
  it.each([
    ['INQUIRY', [0x12]],
    ['TEST UNIT READY', [0x00]],
    ['LOG SENSE', [0x4d]],
    ['PERSISTENT RESERVE OUT', [0x5f]],
    ['SMART by ATA PASS-THROUGH (16)', [0x85, ...Array.from({ length: 13 }, () => 0), 0xb0, 0]],
    ['IDENTIFY DEVICE by ATA PASS-THROUGH (12)', [0xa1, ...Array.from({ length: 8 }, () => 0), 0xec, 0, 0]],
  ])('leave the data as it is: %s', (_, bytes) => {
    expect(command(...bytes)).toBe(false);
  });

  it.each([
    ['WRITE (10)', [0x2a]],
    ['WRITE (16)', [0x8a]],
    ['WRITE SAME (16)', [0x93]],
    ['UNMAP', [0x42]],
    ['FORMAT UNIT', [0x04]],
    ['SANITIZE', [0x48]],
    ['COMPARE AND WRITE', [0x89]],
    ['one that nobody knows', [0xc1]],
    ['a write by ATA PASS-THROUGH (16)', [0x85, ...Array.from({ length: 13 }, () => 0), 0x35, 0]],
    ['ATA PASS-THROUGH cut off', [0x85, 0]],
  ])('may change it: %s', (_, bytes) => {
    expect(command(...bytes)).toBe(true);
  });

  it('are those of the kind of disk', () => {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-disk-'));
    mkdirSync(join(folder, '2:0:0:1'));
    for (const name of ['sda', 'vda', 'nvme0n1']) mkdirSync(join(folder, name));
    symlinkSync('../2:0:0:1', join(folder, 'sda', 'device'));
    symlinkSync('..', join(folder, 'vda', 'device'));
    expect(['sda', 'vda', 'nvme0n1', 'none'].map((name) => passThroughOf(join(folder, name)))).toEqual([
      'scsi',
      undefined,
      'nvme',
      undefined,
    ]);
    rmSync(folder, { recursive: true });
  });
});
