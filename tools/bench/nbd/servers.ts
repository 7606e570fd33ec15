import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { HoldfastError } from '@holdfast/errors';

/** An NBD server on a file, in a process of its own. */
export interface FileServer {
  readonly name: string;
  readonly pid: number;
  readonly uri: string;
  stop(): Promise<void>;
}

/** The command that serves `image` on `socket`, by the name of the server. */
const COMMANDS = {
  holdfast: (image: string, socket: string) => [
    process.execPath,
    '--conditions=@holdfast/source',
    path.join(import.meta.dirname, 'serve-file.ts'),
    image,
    socket,
  ],
  'qemu-nbd': (image: string, socket: string) => ['qemu-nbd', '--format=raw', '--persistent', '--shared=8', `--socket=${socket}`, image],
  'nbdkit file': (image: string, socket: string) => ['nbdkit', '--foreground', '-U', socket, 'file', image],
} as const;
export type ServerName = keyof typeof COMMANDS;

/** Starts a server on a file. */
export const startServer = (name: ServerName, image: string, directory: string): Promise<FileServer> => {
  const socket = path.join(directory, `${name.replace(' ', '-')}.sock`);
  return startListening(name, COMMANDS[name](image, socket), socket);
};

/** Starts a server and waits until it listens. Ours end with their standard input, others are told to. */
export const startListening = async (name: string, command: readonly string[], socket: string): Promise<FileServer> => {
  const [program, ...parameters] = command;
  const child = spawn(program!, parameters, { stdio: ['pipe', 'ignore', 'inherit'] });
  await untilListening(name, child, socket);
  return {
    name,
    pid: child.pid!,
    uri: `nbd+unix:///?socket=${socket}`,
    stop: async () => {
      child.stdin.end();
      if (name !== 'holdfast') child.kill();
      if (child.exitCode === null) await once(child, 'exit');
    },
  };
};

const untilListening = async (name: string, child: ChildProcess, socket: string): Promise<void> => {
  while (!existsSync(socket)) {
    if (child.exitCode !== null) {
      throw new HoldfastError('IO_FAILED', { thing: name, why: `it ended with ${child.exitCode}`, remedy: 'look at what it said' });
    }
    await sleep(10);
  }
};
