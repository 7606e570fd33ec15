import { closeSync, constants, openSync, rmSync, writeSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openStore } from '@holdfast/object-store';
import { openLogWriter, openVault, readKeyFile } from '@holdfast/vault';
import { until } from '../../lab/host/until.ts';
import { type Random, randomBelow } from '../../lab/random.ts';
import type { ProgramProcess } from '../../site/program-process.ts';
import type { Action } from '../scenario.ts';
import { patience } from './patience.ts';
import type { Installation, Member, ServerMember } from './programs.ts';
import type { SiteMachine } from './site-machine.ts';
import { STORMS } from './weather.ts';

export interface FaultParts {
  readonly site: Installation;
  readonly machines: readonly SiteMachine[];
  /** What ends a fault that lasts; called once, in the opposite order. */
  readonly repairs: (() => Promise<void> | void)[];
  /** Says what happens, and what it may cost. */
  tell(line: string, explains?: Explanation): void;
}

/** A fault that may cost machines a resynchronization, and the words it is told with. */
export interface Explanation {
  readonly machine: string;
  readonly reason: RegExp;
}

/** An agent asleep may miss what the kernel's ring did not keep. */
const OVERFLOW = /overflow|lost|too many|not kept|ring/i;
/** Takings of a log by a stranger, one after the other. */
const FIGHTS = 4;
const MEBIBYTE = Buffer.alloc(1024 * 1024);

const choose = <T>(random: Random, from: readonly T[]): T => from[randomBelow(random, from.length)]!;

/** Fills what is left of a file system. */
const fill = (file: string): void => {
  const descriptor = openSync(file, constants.O_WRONLY | constants.O_CREAT);
  try {
    for (;;) writeSync(descriptor, MEBIBYTE);
  } catch (reason) {
    if ((reason as NodeJS.ErrnoException).code !== 'ENOSPC') throw reason;
  } finally {
    closeSync(descriptor);
  }
};

/** Everything that breaks in an installation. What lasts is ended by `repairs`. */
export const createFaults = (parts: FaultParts): Readonly<Record<string, Action>> => {
  const { site, machines, repairs, tell } = parts;
  const { configurationServer, servers, sky } = site;
  const programs: readonly (readonly [string, ProgramProcess])[] = [
    ...machines.map(({ name, member }) => [`the agent of ${name}`, member.program] as const),
    ...servers.map(({ program }, index) => [`process server ${index}`, program] as const),
    ['the configuration server', configurationServer.process],
  ];
  const members: readonly (readonly [string, Member])[] = [
    ...machines.map(({ name, member }) => [name, member] as const),
    ...servers.map((member, index) => [`process server ${index}`, member] as const),
  ];
  const nameOf = (server: ServerMember): string => `process server ${servers.indexOf(server)}`;

  const asleep = (program: ProgramProcess): void => {
    const { pid } = program;
    if (pid === undefined) return;
    process.kill(pid, 'SIGSTOP');
    repairs.push(() => {
      if (program.pid === pid) process.kill(pid, 'SIGCONT');
    });
  };
  const mayMiss = ({ name }: SiteMachine): Explanation => ({ machine: name, reason: OVERFLOW });

  const serverOf = async (machineId: string): Promise<string> => {
    const { protection } = await site.person.look<{ protection: { processServer: { id: string } | string | null } | null }>(
      ['machine', 'show', machineId],
      AbortSignal.timeout(10_000),
    );
    const server = protection?.processServer ?? '';
    return typeof server === 'string' ? server : server.id;
  };
  const servedBy = async (server: ServerMember): Promise<SiteMachine[]> => {
    const found: SiteMachine[] = [];
    for (const machine of machines) if ((await serverOf(machine.member.id)) === server.id) found.push(machine);
    return found;
  };
  /** Until its machines belong to others. */
  const forsaken = (server: ServerMember): Promise<void> =>
    until(`machines of ${nameOf(server)} are re-assigned`, async () => (await servedBy(server).catch(() => [server])).length === 0, {
      seconds: patience(),
      everyMilliseconds: 500,
    });

  return {
    'kill a program': {
      weight: 4,
      async run(random) {
        const [name, program] = choose(random, programs);
        tell(`SIGKILL to ${name}`);
        await program.kill();
        await sleep(randomBelow(random, 2000));
        await program.start();
      },
    },
    'kill a program again and again': {
      weight: 1,
      async run(random) {
        const [name, program] = choose(random, programs);
        tell(`SIGKILLs to ${name}`);
        for (let left = 2 + randomBelow(random, 2); left > 0; left -= 1) {
          await program.kill();
          await program.start();
          await sleep(randomBelow(random, 1000));
        }
      },
    },
    'stop a program': {
      weight: 3,
      async run(random) {
        const [name, program] = choose(random, programs);
        const machine = machines.find(({ member }) => member.program === program);
        tell(`SIGSTOP to ${name}`, machine && mayMiss(machine));
        asleep(program);
        await sleep(1000 + randomBelow(random, 6000));
      },
    },
    'a process server sleeps through a change of term': {
      weight: 1,
      async run(random) {
        const server = choose(random, servers);
        tell(`${nameOf(server)} sleeps until its machines have another`);
        asleep(server.program);
        await forsaken(server);
      },
    },
    'a process server is gone with its disk': {
      weight: 1,
      async run(random) {
        const server = choose(random, servers);
        tell(`${nameOf(server)} loses its disk`);
        await server.loseDisk();
        await server.program.start();
      },
    },
    'a process server is gone': {
      weight: 1,
      async run(random) {
        const server = choose(random, servers);
        tell(`${nameOf(server)} is gone for longer than its machines wait`);
        await server.program.kill();
        repairs.push(() => server.program.start());
        await forsaken(server);
      },
    },
    'the configuration server is down': {
      weight: 1,
      async run() {
        tell('the configuration server is down');
        await configurationServer.process.kill();
        repairs.push(() => configurationServer.process.start());
      },
    },
    'the configuration server is down, and a process server is killed': {
      weight: 1,
      async run(random) {
        const server = choose(random, servers);
        tell(`the configuration server is down, and ${nameOf(server)} is killed`);
        await configurationServer.process.kill();
        repairs.push(() => configurationServer.process.start());
        await server.program.kill();
        await server.program.start();
      },
    },
    'the store fails': {
      weight: 4,
      async run(random) {
        sky.weather = choose(random, STORMS);
        tell(`the store ${sky.weather.name}`);
        repairs.push(async () => {
          sky.weather = undefined;
          await site.release();
        });
        await sleep(1000 + randomBelow(random, 4000));
      },
    },
    'the store fails, and a process server is killed': {
      weight: 2,
      async run(random) {
        const server = choose(random, servers);
        sky.weather = choose(random, STORMS);
        tell(`the store ${sky.weather.name}, and ${nameOf(server)} is killed`);
        repairs.push(async () => {
          sky.weather = undefined;
          await site.release();
        });
        await sleep(1000 + randomBelow(random, 3000));
        await server.program.kill();
        await server.program.start();
      },
    },
    'connections to a process server are reset': {
      weight: 2,
      async run(random) {
        const server = choose(random, servers);
        tell(`connections to ${nameOf(server)} are reset`);
        for (let left = 1 + randomBelow(random, 4); left > 0; left -= 1) {
          server.data.reset();
          await sleep(randomBelow(random, 800));
        }
      },
    },
    'a process server is cut off from agents': {
      weight: 2,
      async run(random) {
        const server = choose(random, servers);
        const kind = choose(random, ['cut', 'dead'] as const);
        tell(`the network between agents and ${nameOf(server)} is ${kind}`);
        server.data.state = { kind };
        repairs.push(() => {
          server.data.state = { kind: 'open' };
        });
        await sleep(1000 + randomBelow(random, 8000));
      },
    },
    'the network is thin': {
      weight: 1,
      async run(random) {
        const server = choose(random, servers);
        const bytesPerSecond = 5000 + randomBelow(random, 60_000);
        tell(`the network to ${nameOf(server)} carries ${bytesPerSecond} bytes a second`);
        server.data.state = { kind: 'thin', bytesPerSecond };
        repairs.push(() => {
          server.data.state = { kind: 'open' };
        });
        await sleep(2000 + randomBelow(random, 4000));
      },
    },
    'a member is cut off from the configuration server': {
      weight: 2,
      async run(random) {
        const [name, { control }] = choose(random, members);
        const kind = choose(random, ['cut', 'dead'] as const);
        tell(`the network between ${name} and the configuration server is ${kind}`);
        control.state = { kind };
        repairs.push(() => {
          control.state = { kind: 'open' };
        });
        await sleep(1000 + randomBelow(random, 8000));
      },
    },
    'a process server is cut off from the store': {
      weight: 2,
      async run(random) {
        const server = choose(random, servers);
        const kind = choose(random, ['cut', 'dead'] as const);
        tell(`the network between ${nameOf(server)} and the store is ${kind}`);
        server.store.state = { kind };
        repairs.push(() => {
          server.store.state = { kind: 'open' };
        });
        await sleep(1000 + randomBelow(random, 12_000));
      },
    },
    'a process server is cut off from all': {
      weight: 1,
      async run(random) {
        const server = choose(random, servers);
        // With the store it still has, it goes on writing what it received while another takes its machines.
        const reachesStore = random() < 0.5;
        tell(`the network of ${nameOf(server)} is dead${reachesStore ? ' but for the store' : ''} until its machines have another`);
        const links = [server.data, server.control, ...(reachesStore ? [] : [server.store])];
        for (const link of links) link.state = { kind: 'dead' };
        repairs.push(() => {
          for (const link of links) link.state = { kind: 'open' };
        });
        await forsaken(server);
      },
    },
    'two process servers have the same machines': {
      weight: 2,
      async run(random) {
        const server = choose(random, servers);
        const { member, name } = choose(random, machines);
        tell(`${nameOf(server)} does not hear that its machines have another, nor does ${name}: who reaches it goes on sending there`);
        const links = [server.control, member.control];
        for (const link of links) link.state = { kind: 'dead' };
        repairs.push(() => {
          for (const link of links) link.state = { kind: 'open' };
        });
        await forsaken(server);
        await sleep(2000 + randomBelow(random, 6000));
      },
    },
    'the disk of a journal is full': {
      weight: 2,
      async run(random) {
        const server = choose(random, servers);
        const ballast = path.join(server.journal, 'ballast');
        tell(`the disk of ${nameOf(server)} is full`);
        fill(ballast);
        repairs.push(() => rmSync(ballast, { force: true }));
        await sleep(2000 + randomBelow(random, 6000));
      },
    },
    'the disk of a journal is full while the store fails': {
      weight: 1,
      async run(random) {
        const server = choose(random, servers);
        const ballast = path.join(server.journal, 'ballast');
        tell(`the disk of ${nameOf(server)} is full, and the store does not answer`);
        sky.weather = STORMS.find(({ part, mishaps }) => part === 1 && mishaps.includes('busy'));
        repairs.push(async () => {
          sky.weather = undefined;
          await site.release();
        });
        fill(ballast);
        repairs.push(() => rmSync(ballast, { force: true }));
        await sleep(4000 + randomBelow(random, 8000));
      },
    },
    'a stranger fights for a machine': {
      weight: 2,
      async run(random) {
        const machine = choose(random, machines);
        tell(`a stranger takes the log of ${machine.name} again and again`);
        const { url, keyFile, accountKeyFile } = site.vault;
        const store = await openStore(url, { environment: { AZURE_STORAGE_KEY_FILE: accountKeyFile } });
        const vault = await openVault(store, await readKeyFile(keyFile));
        try {
          for (let left = FIGHTS; left > 0; left -= 1) {
            const stranger = await openLogWriter(vault, machine.member.id).catch((reason: unknown) => {
              // The server took it back in the middle.
              if ((reason as { code?: string }).code !== 'FENCED') throw reason;
              return undefined;
            });
            await sleep(randomBelow(random, 1000));
            await stranger?.close();
          }
        } finally {
          await vault.close();
        }
      },
    },
  };
};
