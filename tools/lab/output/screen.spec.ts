import { createScreen } from './screen.ts';

const collect = (isTTY: boolean, now?: () => number) => {
  const written: string[] = [];
  const stream = { isTTY, columns: 60, write: (text: string) => written.push(text) };
  return { screen: createScreen(stream, now), text: () => written.join('') };
};

describe('the screen', () => {
  it('redraws one line on a terminal, never wider than it, and ends it before the next', () => {
    const { screen, text } = collect(true);
    screen.status('live', 'x'.repeat(200));
    screen.status('live', 'second');
    screen.line('stays');
    expect(text()).toBe(`\r\u001b[2K${'x'.repeat(59)}\r\u001b[2Ksecond\nstays\n`);
  });

  it('writes plain lines elsewhere, each topic at most every ten seconds', () => {
    let time = 0;
    const { screen, text } = collect(false, () => time);
    for (time = 0; time < 21_000; time += 1000) {
      screen.status('copy', `copy ${time}`);
      screen.status('live', `live ${time}`);
    }
    screen.settle();
    expect(text()).toBe('copy 0\nlive 0\ncopy 10000\nlive 10000\ncopy 20000\nlive 20000\n');
  });
});
