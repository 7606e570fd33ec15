import { startDelayingProxy } from '../conformance/delaying-proxy.ts';
import { openReplicationSite } from '../conformance/replication-site.ts';

const MIB = 1024 * 1024;
const ROUND_TRIP = 50;

/** Megabytes a second through a proxy that adds 50 ms to a round trip. */
const measure = async (receiveWindow: number, messages: number): Promise<number> => {
  const site = await openReplicationSite({ receiveWindow });
  const proxy = await startDelayingProxy(site.server.port, ROUND_TRIP);
  const stream = await site.connect(undefined, { address: `127.0.0.1:${proxy.port}` });
  const frame = Buffer.alloc(MIB);
  const started = performance.now();
  const sending = (async () => {
    for (let i = 0; i < messages; i++) await stream.sendFrames(0, i, [frame]);
    stream.end();
  })();
  let answers = 0;
  for await (const _answer of stream) answers++;
  await sending;
  const seconds = (performance.now() - started) / 1000;
  expect(answers).toBe(messages);
  expect(site.problems).toEqual([]);
  await Promise.all([proxy.close(), site.close()]);
  return (messages * MIB) / 1e6 / seconds;
};

describe('the receive window over a distance', () => {
  it('is what makes replication fast: 16 MiB against the 64 KiB of the library', async () => {
    // 64 KiB move about 1 MB/s at 50 ms whatever the machine; 16 MiB leave the machine as the limit.
    const small = await measure(64 * 1024 - 1, 3);
    const large = await measure(16 * MIB, 48);
    expect(small).toBeLessThan(3);
    expect(large / small).toBeGreaterThan(5);
  });
});
