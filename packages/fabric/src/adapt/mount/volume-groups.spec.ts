import type { LogicalVolume } from '../lvm/logical-volumes.ts';
import { chooseVolumes } from './volume-groups.ts';

const volume = (name: string, physical = 'here', why?: string): LogicalVolume => ({
  group: 'vg',
  name,
  size: 4096,
  segments: [{ start: 0, length: 4096, stripeBytes: 4096, stripes: [{ physical, offset: 0 }] }],
  why,
});
const many = (count: number, of = (name: string) => volume(name)): LogicalVolume[] =>
  Array.from({ length: count }, (_, at) => of(`v${at}`));
const choose = (volumes: readonly LogicalVolume[]) => {
  const notes: string[] = [];
  return { names: chooseVolumes(volumes, (id) => id === 'here', notes).map(({ name }) => name), notes };
};

it('opens what can be put together, and says why of the rest', () => {
  expect(choose([volume('root'), volume('half', 'away'), volume('thin', 'here', 'it is thin')])).toEqual({
    names: ['root'],
    notes: ['vg-half could not be opened: not all of its physical volumes are among the disks', 'vg-thin could not be opened: it is thin'],
  });
});

it('opens 128 at most, and says how many more there were', () => {
  expect(choose(many(128)).notes).toEqual([]);
  const { names, notes } = choose(many(130));
  expect([names.length, notes]).toEqual([128, ['2 more logical volumes were not looked at']]);
});

it('does not fill a report with volumes that cannot be opened', () => {
  const { names, notes } = choose(many(5_000, (name) => volume(name, 'away')));
  expect([names.length, notes.length, notes.at(-1)]).toEqual([0, 1_001, '4000 more logical volumes were not looked at']);
});
