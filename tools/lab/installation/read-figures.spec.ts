import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { countersIn, readCounters } from './read-figures.ts';

const METRICS = `# HELP holdfast_agent_changed_bytes_total Bytes of disk in committed cuts
# TYPE holdfast_agent_changed_bytes_total counter
holdfast_agent_changed_bytes_total 4096
holdfast_agent_sent_bytes_total 17
holdfast_agent_cut_conflicts_total 2
`;

describe("an agent's counters", () => {
  it('are read from its metrics; what it does not tell is nothing', () => {
    expect(countersIn(METRICS)).toEqual({ changedBytes: 4096, sentBytes: 17, conflicts: 2 });
    expect(countersIn('')).toEqual({ changedBytes: 0, sentBytes: 0, conflicts: 0 });
  });

  it('are not there while there is no agent', async () => {
    const server = createServer((_, response) => response.end(METRICS));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const metrics = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`);
    expect(await readCounters(metrics)).toEqual({ changedBytes: 4096, sentBytes: 17, conflicts: 2 });
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    expect(await readCounters(metrics)).toBeUndefined();
  });
});
