import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isHoldfastError } from '@holdfast/errors';
import { identifyDevice } from './device.ts';
import { createLoopDisk, type LoopDisk, run } from './testing/loop-disk.ts';

let loop: LoopDisk | undefined;

afterEach(() => {
  loop?.detach();
  loop = undefined;
});

const refusal = (path: string): string => {
  try {
    return JSON.stringify(identifyDevice(path));
  } catch (reason) {
    if (!isHoldfastError(reason)) throw reason;
    return reason.message;
  }
};

describe('identifyDevice', () => {
  it('describes a whole disk', () => {
    loop = createLoopDisk(5 * 1024 * 1024);
    const { path, name } = loop;
    const found = identifyDevice(path);
    expect(found).toEqual({
      path,
      name,
      major: 7,
      minor: Number(name.slice('loop'.length)),
      size: 5 * 1024 * 1024,
      logicalBlockSize: 512,
      diskSequence: expect.any(Number),
      serial: '',
      gathersDiscards: false,
      bioBased: false,
    });
    expect(found.diskSequence).toBeGreaterThan(0);
  });

  it('names the disk of a partition', () => {
    loop = createLoopDisk(5 * 1024 * 1024, 1024 * 1024);
    expect(refusal(`${loop.path}p1`)).toMatch(`[DEVICE_UNSUPPORTED] ${loop.path}p1: it is a partition; name the whole disk, ${loop.path};`);
  });

  it('says how to make writes countable', () => {
    loop = createLoopDisk(1024 * 1024);
    writeFileSync(`/sys/block/${loop.name}/queue/iostats`, '0');
    const message = refusal(loop.path);
    writeFileSync(`/sys/block/${loop.name}/queue/iostats`, '1');
    expect(message).toMatch(`[DEVICE_UNSUPPORTED] ${loop.path}: its writes are not counted; switch its statistics on: echo 1 > /sys`);
  });

  it('knows when nothing is attached', () => {
    loop = createLoopDisk(1024 * 1024);
    // An own node of the same number, for the device may be taken by someone else as soon as it is free.
    run('losetup', '--detach', loop.path);
    const message = refusal(loop.path);
    run('losetup', loop.path, loop.image);
    expect(message).toMatch('[DEVICE_NOT_FOUND]');
  });

  it('refuses what is no block device', () => {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-device-'));
    writeFileSync(join(folder, 'file'), '');
    expect(refusal(join(folder, 'file'))).toMatch('[DEVICE_NOT_FOUND]');
    expect(refusal(join(folder, 'none'))).toMatch('there is no such file');
    expect(refusal(join(folder, 'file', 'below'))).toMatch('[DEVICE_NOT_FOUND]');
    expect(refusal('/dev/null')).toMatch('it is not a block device');
    run('mknod', join(folder, 'ghost'), 'b', '4000', '1');
    expect(refusal(join(folder, 'ghost'))).toMatch('the kernel has no device 4000:1');
    rmSync(folder, { recursive: true });
  });
});
