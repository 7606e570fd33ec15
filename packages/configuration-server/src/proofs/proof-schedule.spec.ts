import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { ProofScheduleSchema } from '@holdfast/protocol';
import { checkSchedule, checksOver, isScheduled, lastDue, longestAge } from './proof-schedule.ts';

const HOUR = 3_600_000;
const schedule = (fields: MessageInitShape<typeof ProofScheduleSchema>) => create(ProofScheduleSchema, fields);
const due = (everyHours: number, atMinute: number, now: string): string =>
  new Date(lastDue({ everyHours, atMinute }, Date.parse(now))).toISOString();

describe('a schedule of proofs', () => {
  it.each([
    [24, 150, '2026-11-22T02:30:00Z', '2026-11-22T02:30:00.000Z'],
    [24, 150, '2026-11-22T02:29:59Z', '2026-11-21T02:30:00.000Z'],
    [6, 60, '2026-11-22T08:00:00Z', '2026-11-22T07:00:00.000Z'],
    [6, 60, '2026-11-22T00:30:00Z', '2026-11-21T19:00:00.000Z'],
    [1, 0, '2026-11-22T08:59:00Z', '2026-11-22T08:00:00.000Z'],
  ])('every %i h from minute %i on was due last before %s at %s', (every, at, now, expected) => {
    expect(due(every, at, now)).toBe(expected);
  });

  it('of several days comes once in so many', () => {
    const start = Date.parse('2026-11-01T00:00:00Z');
    const times = new Set(
      Array.from({ length: 30 * 24 }, (_, hour) => lastDue({ everyHours: 7 * 24, atMinute: 120 }, start + hour * HOUR)),
    );
    const sorted = [...times].toSorted((a, b) => a - b);
    expect(sorted.slice(1).map((time, at) => (time - sorted[at]!) / HOUR)).toEqual(sorted.slice(1).map(() => 168));
    expect(sorted.every((time) => new Date(time).getUTCHours() === 2)).toBe(true);
  });

  it('says how old a proof may be', () => {
    expect([longestAge(schedule({ everyHours: 24 })), longestAge(schedule({ everyHours: 24, maxAgeHours: 30 }))]).toEqual([
      48 * HOUR,
      30 * HOUR,
    ]);
    expect([isScheduled(undefined), isScheduled(schedule({ ports: [22] })), isScheduled(schedule({ everyHours: 1 }))]).toEqual([
      false,
      false,
      true,
    ]);
  });

  it.each([
    [{ everyHours: 7 }, /every_hours/],
    [{ everyHours: 36 }, /every_hours/],
    [{ everyHours: 24 * 400 }, /every_hours/],
    [{ everyHours: 24, atMinute: 1440 }, /at_minute/],
    [{ everyHours: 24, console: 'a\nb' }, /console/],
    [{ everyHours: 24, ports: [0] }, /ports/],
    [{ everyHours: 24, script: '../x' }, /script/],
    [{ everyHours: 24, patienceSeconds: 90_000 }, /patience/],
    [{ everyHours: 24, maxAgeHours: 23 }, /max_age/],
  ])('is refused by the field that is wrong: %j', (fields, words) => {
    expect(() => checkSchedule(schedule(fields))).toThrow(words);
  });

  it('may be complete, or absent', () => {
    checkSchedule(undefined);
    checkSchedule(
      schedule({ everyHours: 12, atMinute: 1439, console: 'ready.', ports: [22, 5432], script: 'ledger-is-whole', maxAgeHours: 24 }),
    );
  });

  it('is asked of one proof over what the policy asks of all: what is not said stays', () => {
    const policy = create(ProofScheduleSchema, { everyHours: 24, console: 'ready', ports: [22], script: 'ledger', checkFileSystems: true });
    const own = create(ProofScheduleSchema, { patienceSeconds: 5 });
    expect(checksOver(policy, own)).toMatchObject({
      console: 'ready',
      ports: [22],
      script: 'ledger',
      checkFileSystems: true,
      patienceSeconds: 5,
    });
    expect(checksOver(policy, create(ProofScheduleSchema, { console: 'up', ports: [80] }))).toMatchObject({
      console: 'up',
      ports: [80],
      script: 'ledger',
    });
    expect([checksOver(undefined, own), checksOver(policy, undefined)]).toEqual([own, policy]);
  });
});
