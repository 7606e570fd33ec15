import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { parseHardware, readHardwareIdentity } from './hardware-identity.ts';

const MACHINE_ID = '3d1219c7c4c5404aaa1f6d2a48adfda4';

describe('the hardware identity', () => {
  let root: string;
  beforeEach(async () => {
    root = await mkdtemp(path.join(tmpdir(), 'machine-'));
  });
  afterEach(() => rm(root, { recursive: true }));

  const write = async (files: Readonly<Record<string, string>>): Promise<void> => {
    for (const [name, text] of Object.entries(files)) {
      await mkdir(path.dirname(path.join(root, name)), { recursive: true });
      await writeFile(path.join(root, name), text);
    }
  };
  const card = async (name: string, address: string, { physical = true, assigned = '0' } = {}): Promise<void> => {
    await write({ [`sys/class/net/${name}/address`]: `${address}\n`, [`sys/class/net/${name}/addr_assign_type`]: `${assigned}\n` });
    if (physical) await symlink('..', path.join(root, `sys/class/net/${name}/device`));
  };

  it('is what the machine says of itself', async () => {
    await write({
      'sys/class/dmi/id/product_uuid': 'B01C2F3A-0000-4000-8000-1234567890AB\n',
      'sys/class/dmi/id/product_serial': 'CZ1234\n',
      'etc/machine-id': `${MACHINE_ID}\n`,
    });
    await card('eth1', '52:54:00:AA:00:02');
    await card('eth0', '52:54:00:aa:00:01');
    await card('bond0', '52:54:00:aa:00:01', { physical: false });
    await card('veth7', '5a:01:02:03:04:05', { physical: false });
    await card('usb0', '5a:99:99:99:99:99', { assigned: '1' });
    await card('wifi', '00:00:00:00:00:00');
    expect(await readHardwareIdentity({ root })).toEqual({
      productUuid: 'b01c2f3a-0000-4000-8000-1234567890ab',
      productSerial: 'CZ1234',
      macAddresses: ['52:54:00:aa:00:01', '52:54:00:aa:00:02'],
      machineId: MACHINE_ID,
    });
  });

  it.each([
    '00000000-0000-0000-0000-000000000000',
    'FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF',
    '03000200-0400-0500-0006-000700080009',
    'Not Settable',
    'To be filled by O.E.M.',
    'Default string',
    'System Serial Number',
    'None',
    '0',
    '0123456789',
    '..............',
  ])('does not take %j, which thousands of machines say, for an identity', async (blank) => {
    await write({ 'sys/class/dmi/id/product_uuid': blank, 'sys/class/dmi/id/product_serial': blank, 'etc/machine-id': MACHINE_ID });
    expect(await readHardwareIdentity({ root })).toMatchObject({ productUuid: '', productSerial: '', machineId: MACHINE_ID });
  });

  it('must be known', async () => {
    await write({ 'etc/machine-id': 'uninitialized\n' });
    await expect(readHardwareIdentity({ root })).rejects.toMatchObject({
      code: 'SETTING_INVALID',
      remedy: expect.stringContaining('identity.hardware-file'),
    });
  });

  it('is taken from a file where one is named', async () => {
    const file = path.join(root, 'hardware.json');
    await write({ 'hardware.json': JSON.stringify({ productUuid: 'X', macAddresses: ['52:54:00:00:00:01'] }) });
    expect(await readHardwareIdentity({ root, file })).toEqual({
      productUuid: 'x',
      productSerial: '',
      macAddresses: ['52:54:00:00:00:01'],
      machineId: '',
    });
  });

  it.each<[string, string, RegExp]>([
    ['no JSON', '{', /JSON/],
    ['a list', '[]', /not an object/],
    ['a field that is none', '{"uuid":"x"}', /there are productUuid/],
    ['a number', '{"productUuid":7}', /text/],
    ['addresses that are none', '{"macAddresses":["eth0"]}', /no hardware addresses/],
    ['nothing', '{}', /nothing is known/],
    ['far too much', JSON.stringify({ productUuid: 'x'.repeat(100_000) }), /larger/],
  ])('is refused from a file with %s', async (_what, text, words) => {
    await write({ 'hardware.json': text });
    await expect(readHardwareIdentity({ root, file: path.join(root, 'hardware.json') })).rejects.toMatchObject({
      code: 'SETTING_INVALID',
      why: expect.stringMatching(words),
    });
  });

  it('names a file that is not there', async () => {
    const file = path.join(root, 'none');
    await expect(readHardwareIdentity({ file })).rejects.toMatchObject({ code: 'OBJECT_NOT_FOUND', thing: expect.stringContaining(file) });
  });

  it('answers any JSON with an identity or words', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        try {
          parseHardware(value);
        } catch (error) {
          expect((error as Error).message).not.toBe('');
        }
      }),
    );
  });
});
