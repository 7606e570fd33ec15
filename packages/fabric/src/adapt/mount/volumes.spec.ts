import { parseTable, partitionName } from './volumes.ts';

const TABLE = {
  partitiontable: {
    label: 'dos',
    id: '0x1234abcd',
    sectorsize: 512,
    partitions: [
      { node: '/scratch/disk1', start: 2048, size: 100, type: '83' },
      { node: '/scratch/disk2', start: 4096, size: 2000, type: '5' },
      { node: '/scratch/disk5', start: 4098, size: 100, type: 'EF' },
    ],
  },
};

test('partitions lie where the table says, and those that hold others are none', () => {
  expect(parseTable(JSON.stringify(TABLE))).toEqual([
    { number: 1, offset: 1_048_576, size: 51_200, uuid: '1234abcd-01', type: '83' },
    { number: 5, offset: 2_098_176, size: 51_200, uuid: '1234abcd-05', type: 'ef' },
  ]);
  expect(parseTable('{"partitiontable": {"sectorsize": 4096}}')).toEqual([]);
  expect(parseTable('')).toBeUndefined();
});

test('they are named as the kernel names them', () => {
  expect([partitionName('sda', 5), partitionName('nvme0n1', 1)]).toEqual(['sda5', 'nvme0n1p1']);
});
