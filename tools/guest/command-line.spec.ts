import { parseCommandLine } from './command-line.ts';

it('gives an interactive guest without disks by default', () => {
  expect(parseCommandLine([])).toEqual({
    help: false,
    run: undefined,
    disks: [],
    share: undefined,
    network: 'none',
    memoryMiB: 1024,
    processors: 2,
    append: '',
  });
});

it('reads disks as sizes and paths', () => {
  const { disks } = parseCommandLine(['--disk', 'virtio:512M', '--disk', 'nvme:./a:b.raw', '--disk', 'scsi:4096']);
  expect(disks).toEqual([
    { bus: 'virtio', sizeBytes: 512 << 20 },
    { bus: 'nvme', path: './a:b.raw' },
    { bus: 'scsi', sizeBytes: 4096 },
  ]);
});

it.each([
  [['--disk', 'ide:1G'], 'SETTING_INVALID'],
  [['--disk', '1G'], 'SETTING_INVALID'],
  [['--disk', 'nvme:'], 'SETTING_INVALID'],
  [['--memory', 'lots'], 'SETTING_INVALID'],
  [['--processors', '0'], 'SETTING_INVALID'],
  [['--disks', 'nvme:1G'], 'SETTING_UNKNOWN'],
  [['surplus'], 'SETTING_UNKNOWN'],
])('refuses %j', (args, code) => {
  expect(() => parseCommandLine(args)).toThrow(expect.objectContaining({ code }));
});
