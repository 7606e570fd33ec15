import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { AgentProtectionSchema, idBytes } from '@holdfast/protocol';
import { copiesRest, resyncOf, wantedOf, wantsAnother } from './wanted.ts';

const [A, B] = ['aa'.repeat(16), 'bb'.repeat(16)];
const wanted = (change: MessageInitShape<typeof AgentProtectionSchema> = {}) =>
  wantedOf(1n, create(AgentProtectionSchema, { diskIds: [idBytes(B), idBytes(A)], ...(change as object) }));
const nothing = wantedOf(1n, undefined);

describe('what is wanted', () => {
  it('names the disks in order, without those left out', () => {
    expect(wanted().diskIds).toEqual([A, B]);
    expect(wanted({ excludedDiskIds: [idBytes(A)] }).diskIds).toEqual([B]);
    expect(nothing.diskIds).toEqual([]);
  });

  it.each([
    ['the first word', undefined, wanted(), true],
    ['the end', wanted(), nothing, true],
    ['another disk', wanted(), wanted({ diskIds: [idBytes(A)] }), true],
    ['a request to resynchronize', wanted(), wanted({ resyncId: idBytes(A) }), true],
    ['the same disks in another order', wanted(), wanted({ diskIds: [idBytes(A), idBytes(B)] }), false],
    ['another interval', wanted(), wanted({ pointIntervalSeconds: 60 }), false],
    ['a pause', wanted(), wanted({ copyPaused: true }), false],
    ['nothing, as before', nothing, nothing, false],
  ])('%s: whether the capture is opened anew', (_, before, now, outcome) => {
    expect(wantsAnother(before, now)).toBe(outcome);
  });

  it('has the id of the request, or none', () => {
    expect([resyncOf(undefined), resyncOf(nothing), resyncOf(wanted()), resyncOf(wanted({ resyncId: idBytes(B) }))]).toEqual([
      '',
      '',
      '',
      B,
    ]);
  });
});

describe('copies', () => {
  const resync = { isResynchronizing: true, isFirst: () => false };
  const atNight = wanted({ resyncWindows: [{ weekdays: [], fromMinute: 22 * 60, toMinute: 23 * 60 }] });
  const at = (hour: number): Date => new Date(2026, 0, 5, hour, 30);

  it('rest when somebody wants it', () => {
    expect(copiesRest(wanted({ copyPaused: true }), resync, at(12))).toBe(true);
    expect(copiesRest(wanted(), resync, at(12))).toBe(false);
    expect(copiesRest(nothing, resync, at(12))).toBe(false);
    expect(copiesRest(undefined, resync, at(12))).toBe(false);
  });

  it('rest outside the hours of resynchronizations, but never a first one', () => {
    expect(copiesRest(atNight, resync, at(12))).toBe(true);
    expect(copiesRest(atNight, resync, at(22))).toBe(false);
    expect(copiesRest(atNight, { ...resync, isResynchronizing: false }, at(12))).toBe(false);
    expect(copiesRest(atNight, { ...resync, isFirst: (id) => id === B }, at(12))).toBe(false);
  });
});
