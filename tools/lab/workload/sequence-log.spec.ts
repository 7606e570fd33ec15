import { boundsAt, parseSequenceLog } from './sequence-log.ts';

describe('a ledger', () => {
  it('is read back; a line cut short by a kill does not count', () => {
    const times = parseSequenceLog('begin 1 10\nacked 1 12\nbegin 2 15\nacked 2 1');
    expect(times).toEqual({ begun: [10n, 15n], acked: [12n] });
    expect([9n, 10n, 11n, 12n, 14n, 15n, 99n].map((instant) => boundsAt(times, instant))).toEqual(
      [
        [0, 0],
        [0, 1],
        [0, 1],
        [1, 1],
        [1, 1],
        [1, 2],
        [1, 2],
      ].map(([atLeast, atMost]) => ({ atLeast, atMost })),
    );
  });

  it.each(['begin 2 10\n', 'begin one 10\n', 'start 1 10\n', 'begin 1\n'])('is refused when it is not one: %j', (text) => {
    expect(() => parseSequenceLog(text)).toThrow('not a line of a ledger');
  });
});
