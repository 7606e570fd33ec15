import type { Log } from '@holdfast/daemon';
import type { TlsCredentials } from '@holdfast/protocol';
import { createOwnCertificate } from './own-certificate.ts';

const log: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => log };

describe("a server's own certificate", () => {
  let made: number;
  let problem: Error | undefined;
  let shown: TlsCredentials[];
  const listener = { use: (credentials: TlsCredentials) => void shown.push(credentials) };
  const own = (lifetime: number) =>
    createOwnCertificate({
      authority: {
        async issueOwn() {
          if (problem !== undefined) throw problem;
          made += 1;
          return { key: `${made}`, certificateChain: '', authorities: '', notAfter: 0 };
        },
      },
      id: '0'.repeat(32),
      names: [],
      lifetime,
      log,
    });

  beforeEach(() => {
    made = 0;
    problem = undefined;
    shown = [];
  });

  it('is another one after half of its life, and after a step to another authority', async () => {
    const stop = new AbortController();
    const quick = own(2);
    const running = quick.run(listener, stop.signal);
    while (shown.length < 3) await new Promise(setImmediate);
    stop.abort();
    await running;
    const seen = shown.length;
    await own(3_600_000).turned(listener);
    expect(shown).toHaveLength(seen + 1);
  });

  it('ends the program where none of another authority can be made: with the one it has it would believe the one before', async () => {
    const one = own(3_600_000);
    const running = one.run(listener, new AbortController().signal);
    problem = new Error('no randomness');
    await one.turned(listener);
    await expect(running).rejects.toThrow('no randomness');
    expect(shown).toEqual([]);
  });
});
