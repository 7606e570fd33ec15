import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Person } from '../../site/cli-process.ts';
import { createOpened } from './opened.ts';
import type { AgentMember } from './programs.ts';
import { protectMachine } from './site-machine.ts';
import type { Source } from './sources.ts';

jest.mock('./patience.ts', () => ({ patience: () => 0.5 }));

it('is watched no longer than what it belongs to is open, though its first point never comes', async () => {
  let looks = 0;
  const server = createServer((_, response) => {
    looks += 1;
    response.end();
  }).listen(0, '127.0.0.1');
  try {
    await new Promise((resolve) => server.once('listening', resolve));
    const metrics = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`);
    const person = { look: async () => ({ disks: [] }), json: async () => ({ disks: [] }) } as unknown as Person;
    const member = { id: 'a'.repeat(32), metrics, program: { start: async () => undefined } } as unknown as AgentMember;
    const opened = createOpened(() => undefined);
    const protecting = protectMachine(person, 'web1', member, { disks: [] } as unknown as Source, opened);
    await expect(protecting).rejects.toThrow(/first point/);
    while (looks === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    await opened.close();
    // It has ended by then: nobody is on the way to look.
    const before = looks;
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect(looks).toBe(before);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
