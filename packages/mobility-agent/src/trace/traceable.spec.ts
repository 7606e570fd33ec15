import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { isBioBased, refusalOf, sharingOf } from './traceable.ts';

let root: string;
beforeEach(() => (root = mkdtempSync(join(tmpdir(), 'holdfast-traceable-'))));
afterEach(() => rmSync(root, { recursive: true }));

/** A folder as sysfs has it of a disk; files by path below it. */
const describeDisk = (files: Readonly<Record<string, string>>): string => {
  const folder = join(root, 'sda');
  const good = { 'mq/0/nr_tags': '64', 'queue/zoned': 'none', 'queue/dax': '0', 'queue/iostats': '1', 'queue/max_discard_segments': '1' };
  for (const [name, content] of Object.entries({ ...good, ...files })) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), `${content}\n`);
  }
  return folder;
};

describe('refusalOf', () => {
  it.each([
    ['a plain disk', {}],
    ['a disk with LVM or encryption on it', { 'holders/dm-0/dm/uuid': 'LVM-abc' }],
    ['a disk of which a partition is a member of an array', { 'sda1/holders/md0/md/level': 'raid1' }],
    ['a disk that takes several ranges in a discard', { 'queue/max_discard_segments': '256', 'queue/discard_max_bytes': '2147483136' }],
    ['a disk of an older kernel that says less of itself', { 'queue/zoned': '', 'queue/dax': '' }],
  ])('takes %s', (_, files) => {
    expect(refusalOf(describeDisk(files))).toBeUndefined();
  });

  it.each([
    ['a partition', { partition: '1' }, /it is a partition/, /name the whole disk/],
    ['a member of an array', { 'holders/md127/md/level': 'raid1' }, /a member of the array md127/, /protect \/dev\/md127/],
    ['a path of multipath', { 'holders/dm-3/dm/uuid': 'mpath-3600' }, /one of several paths .* dm-3/, /protect \/dev\/dm-3/],
    ['a zoned disk', { 'queue/zoned': 'host-managed' }, /zoned/, /scan/],
    ['a disk with direct access', { 'queue/dax': '1' }, /DAX/, /scan/],
    ['a disk without statistics', { 'queue/iostats': '0' }, /not counted/, /echo 1 > \/sys\/block\/sda\/queue\/iostats/],
  ])('refuses %s', (_, files, why, remedy) => {
    const refusal = refusalOf(describeDisk(files));
    expect(refusal?.why).toMatch(why);
    expect(refusal?.remedy).toMatch(remedy);
  });

  it('takes what the kernel handles without requests, for which it says of statistics what is not so', () => {
    const folder = describeDisk({ 'queue/iostats': '0', 'dm/uuid': 'LVM-abc' });
    expect(isBioBased(folder)).toBe(false);
    rmSync(join(folder, 'mq'), { recursive: true });
    expect(isBioBased(folder)).toBe(true);
    expect(refusalOf(folder)).toBeUndefined();
    expect(refusalOf(describeDisk({ 'queue/dax': '1' }))?.why).toMatch(/DAX/);
  });
});

describe('sharingOf', () => {
  const PARTITION = 3 * 1024 * 1024;
  const GFS2 = Buffer.from('0116197000000001', 'hex');
  const OCFS2 = Buffer.from('OCFSV2\0\0', 'latin1');

  const disk = (at: number, bytes: Uint8Array): string => {
    const image = Buffer.alloc(4 * 1024 * 1024);
    image.set(bytes, at);
    writeFileSync(join(root, 'image'), image);
    return join(root, 'image');
  };

  it.each([
    ['GFS2', 65_536, GFS2],
    ['GFS2', PARTITION + 65_536, GFS2],
    ['OCFS2', 8192, OCFS2],
    ['OCFS2', PARTITION + 1024, OCFS2],
  ])('finds %s at byte %i', (name, at, mark) => {
    const folder = describeDisk({ 'sda1/partition': '1', 'sda1/start': `${PARTITION / 512}` });
    expect(sharingOf(disk(at, mark), folder)?.why).toMatch(name);
  });

  it('finds nothing where there is no mark, or where no file system begins', () => {
    expect(sharingOf(disk(0, new Uint8Array()), describeDisk({}))).toBeUndefined();
    expect(sharingOf(disk(PARTITION + 65_536, GFS2), describeDisk({}))).toBeUndefined();
    expect(sharingOf(disk(512, OCFS2), describeDisk({}))).toBeUndefined();
  });

  it('says what it could not open', () => {
    expect(() => sharingOf(join(root, 'none'), describeDisk({}))).toThrow(expect.objectContaining({ code: 'OBJECT_NOT_FOUND' }));
  });

  it('does not mind a disk too short for any', () => {
    const path = join(root, 'short');
    writeFileSync(path, Buffer.alloc(512));
    expect(sharingOf(path, describeDisk({}))).toBeUndefined();
  });
});
