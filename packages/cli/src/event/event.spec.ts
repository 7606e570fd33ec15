import { Severity } from '@holdfast/protocol';
import { type LoggedIn, logIn } from '../testing/logged-in.ts';
import { SAMPLE, sampleScript } from '../testing/sample-site.ts';

let person: LoggedIn;
beforeEach(async () => {
  person = await logIn(sampleScript());
});
afterEach(() => person.close());
// The library tells there of every connection that is cut on purpose.
beforeEach(() => void jest.spyOn(console, 'error').mockImplementation());
afterEach(() => jest.restoreAllMocks());

const revisions = (rows: unknown): unknown[] => (rows as { revision: number }[]).map(({ revision }) => revision);

describe('event list', () => {
  it('tells the newest first, of a severity, of a machine', async () => {
    expect(revisions(await person.json(['event', 'list']))).toEqual([13, 12, 11]);
    expect(revisions(await person.json(['event', 'list', '--limit', '2']))).toEqual([13, 12]);
    expect(revisions(await person.json(['event', 'list', '--severity', 'warning']))).toEqual([12]);
    expect(revisions(await person.json(['event', 'list', '--subject', 'web']))).toEqual([12, 11]);
    expect(await person.run(['event', 'list', '--severity', 'loud'])).toMatchObject({ status: 2 });
    expect((await person.run(['event', 'list'])).stdout).toMatch(
      /2026-11-22T11:55:00.000Z +information +db1 +job-started +protect db1 \(anna\)\n/,
    );
  });

  it('knows what is gone by its id only', async () => {
    const gone = 'ab'.repeat(16);
    person.site.script.events.push({ revision: 14n, subject: gone, text: 'x' });
    expect(await person.json(['event', 'list', '--subject', gone])).toMatchObject([{ subject: { id: gone, name: '' } }]);
  });
});

/** Runs `event watch` until it has written so many lines. */
const watch = async (args: readonly string[], lines: number, after: (line: number) => void = () => {}) => {
  const stop = new AbortController();
  const written: string[] = [];
  const { status, stderr } = await person.run(['event', 'watch', ...args], {
    stop: stop.signal,
    stdout: {
      write: (text) => {
        written.push(text);
        after(written.length);
        if (written.length === lines) stop.abort(new Error('enough'));
      },
    },
  });
  return { status, stderr, written };
};

describe('event watch', () => {
  it('begins with the last ones and goes on with each that happens, until it is ended', async () => {
    const { status, written } = await watch(['--last', '2', '--output', 'json'], 4, (line) => {
      if (line === 2)
        for (const revision of [14n, 15n])
          person.site.script.events.push({ revision, severity: Severity.CRITICAL, text: 'x', subject: SAMPLE.db1 });
    });
    expect(status).toBe(0);
    expect(written.map((line) => JSON.parse(line).revision)).toEqual([12, 13, 14, 15]);
    expect(written.every((line) => line.indexOf('\n') === line.length - 1)).toBe(true);
  });

  it('misses none and tells none twice when connections are lost', async () => {
    let revision = 13n;
    const { written, stderr } = await watch(['--last', '1', '--output', 'json'], 6, () => {
      revision += 1n;
      person.site.script.events.push({ revision, severity: Severity.INFORMATION, text: 'x' });
      if (revision % 2n === 0n) person.site.cut();
    });
    expect(written.map((line) => JSON.parse(line).revision)).toEqual([13, 14, 15, 16, 17, 18]);
    expect(stderr).toContain('trying again');
  });

  it('tells graver ones only', async () => {
    let told = 0;
    person.site.script.before = (method) => {
      if (method !== 'look' || told++ > 0) return;
      person.site.script.events.push({ revision: 14n, severity: Severity.INFORMATION, text: 'no' });
      person.site.script.events.push({ revision: 15n, severity: Severity.CRITICAL, text: 'yes' });
    };
    const { written } = await watch(['--severity', 'warning', '--output', 'json'], 2);
    expect(written.map((line) => JSON.parse(line).revision)).toEqual([12, 15]);
  });

  it('puts its columns below each other', async () => {
    const { written } = await watch(['--last', '3'], 3);
    const [first, second, third] = written;
    expect(first).toMatch(/^TIME +SEVERITY +ABOUT +CODE +WHAT\n/);
    const at = first!.split('\n')[0]!.indexOf('ABOUT');
    expect(first!.split('\n')[1]!.slice(at, at + 3)).toBe('web');
    expect(second!.slice(at, at + 3)).toBe('web');
    expect(third!.slice(at, at + 3)).toBe('db1');
  });

  it('that never reached the server says so', async () => {
    await person.site.close();
    expect(await watch([], 1)).toMatchObject({ status: 9, stderr: expect.stringContaining('[CONNECTION_LOST]') });
    await person.site.reopen();
  });
});
