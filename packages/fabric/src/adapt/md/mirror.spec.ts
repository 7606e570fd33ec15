import type { BlockDevice } from '@holdfast/block';
import { type Member, mirrorOf } from './mirror.ts';
import type { MemberSuperblock } from './superblock.ts';

const GOOD: MemberSuperblock = {
  array: 'ab'.repeat(16),
  name: 'db1:0',
  level: 1,
  members: 2,
  size: 1000,
  dataOffset: 100,
  device: 0,
  roles: [0, 1],
  events: 20n,
  features: 0,
};
const member = (changes: Partial<MemberSuperblock> = {}, size = 2000): Member => ({
  device: {} as BlockDevice,
  offset: 0,
  size,
  superblock: { ...GOOD, ...changes },
});
const whyOf = (...members: Member[]): string => {
  const mirror = mirrorOf(members);
  return 'why' in mirror ? mirror.why : `opened: ${mirror.members.map(({ superblock }) => superblock.device)}`;
};

describe('a mirror of md', () => {
  it('is opened over its members in the order of their places, whatever was found first', () => {
    expect(whyOf(member({ device: 1 }), member())).toBe('opened: 0,1');
    expect(whyOf(member({ device: 1 }), member({ roles: [1, 0] }))).toBe('opened: 0,1');
  });

  it('is opened though members are missing, and though the power went between two notes of the kernel', () => {
    expect(whyOf(member())).toBe('opened: 0');
    expect(whyOf(member(), member({ device: 1, events: 19n }))).toBe('opened: 0,1');
  });

  it.each<[string, RegExp, Member[]]>([
    ['another level', /RAID 5/, [member({ level: 5 })]],
    ['a linear one', /another kind/, [member({ level: -1 })]],
    ['a member that lags behind', /lags behind/, [member(), member({ device: 1, events: 18n })]],
    ['a spare', /lags behind/, [member({ roles: [0, 0xffff] }), member({ device: 1, roles: [0, 0xffff] })]],
    ['a member that failed, as only the others know', /lags behind/, [member({ roles: [0, 0xfffe], events: 21n }), member({ device: 1 })]],
    ['one nobody knows', /lags behind/, [member(), member({ device: 7 })]],
    ['a member that is rebuilt', /rebuilt/, [member(), member({ device: 1, features: 2 })]],
    ['a member that is too small', /smaller/, [member(), member({ device: 1 }, 1099)]],
    ['members of several sizes', /smaller/, [member(), member({ device: 1, size: 900 })]],
  ])('is not opened with %s', (_, why, members) => {
    expect(whyOf(...members)).toMatch(why);
  });
});
