import { type LoggedIn, logIn } from '../testing/logged-in.ts';
import { sampleScript } from '../testing/sample-site.ts';

let person: LoggedIn;
beforeEach(async () => {
  person = await logIn(sampleScript());
});
afterEach(() => person.close());

/** Runs `machine list --watch` until it has written so many answers; `after` each the world changes. */
const watch = async (
  args: readonly string[],
  answers: number,
  { isTTY = false, after }: { isTTY?: boolean; after: (answer: number) => void },
) => {
  const stop = new AbortController();
  const written: string[] = [];
  const { status, stderr } = await person.run(['machine', 'list', '--watch', '100ms', ...args], {
    stop: stop.signal,
    stdout: {
      isTTY,
      columns: 120,
      write: (text) => {
        written.push(text);
        after(written.length);
        if (written.length === answers) stop.abort(new Error('enough'));
      },
    },
  });
  return { status, stderr, written };
};

const rename = (name: string): void => void Object.assign(person.site.script.machines[1]!, { name });

describe('--watch', () => {
  it('writes what has changed, and nothing else, until it is ended', async () => {
    const { status, written } = await watch(['--output', 'json'], 3, { after: (answer) => rename(`web-${answer}`) });
    expect(status).toBe(0);
    expect(written.map((line) => JSON.parse(line)[1].name)).toEqual(['web', 'web-1', 'web-2']);
    expect(written.every((line) => line.indexOf('\n') === line.length - 1)).toBe(true);
  });

  it('looks again without writing while nothing changes', async () => {
    let looks = 0;
    person.site.script.before = (method) => {
      if (method === 'MachineService.ListMachines') looks += 1;
      if (looks === 4) rename('other');
    };
    const { written } = await watch(['--output', 'json'], 2, { after: () => {} });
    expect(looks).toBe(4);
    expect(JSON.parse(written[1]!)[1].name).toBe('other');
  });

  it('redraws on a terminal, is documents in YAML, and goes below elsewhere', async () => {
    const after = (answer: number): void => rename(`web-${answer}`);
    expect((await watch([], 2, { isTTY: true, after })).written[1]!.startsWith('\u001b[H\u001b[J')).toBe(true);
    expect((await watch(['--output', 'yaml'], 2, { after })).written[1]).toMatch(/^---\n- id:/);
    expect((await watch([], 2, { after })).written[1]).toMatch(/^\nMACHINE/);
  });

  it('waits for a server that is away for a while', async () => {
    let away: Promise<void> | undefined;
    const { status, written, stderr } = await watch(['--output', 'json'], 2, {
      after: (answer) => {
        if (answer !== 1) return;
        rename('back');
        away = person.site.close().then(() => person.site.reopen());
      },
    });
    await away;
    expect({ status, back: JSON.parse(written[1]!)[1].name }).toEqual({ status: 0, back: 'back' });
    expect(stderr === '' || stderr.includes('[CONNECTION_LOST]')).toBe(true);
  });

  it.each(['0s', '5', 'often', '50ms'])('refuses %s', async (interval) => {
    expect(await person.run(['machine', 'list', '--watch', interval])).toMatchObject({
      status: 2,
      stderr: expect.stringContaining(`[SETTING_INVALID] --watch ${interval}`),
    });
  });
});
