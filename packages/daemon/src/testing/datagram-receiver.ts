import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** A unix datagram socket as systemd has it; Node has none, so Python holds it and prints each datagram as a line of JSON. */
export interface DatagramReceiver {
  next(): Promise<string>;
}

const RECEIVER = `
import json, socket, sys
receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
receiver.bind(sys.argv[1].replace("@", "\\0", 1))
print(json.dumps("bound"), flush=True)
while True:
    print(json.dumps(receiver.recv(4096).decode()), flush=True)
`;

const running: ChildProcess[] = [];

/** Ends whatever is left; for afterEach. */
export const killReceivers = (): void => {
  for (const receiver of running.splice(0)) receiver.kill();
};

/** Receives at a path, or at an abstract name that begins with @. */
export const receiveDatagrams = async (name: string): Promise<DatagramReceiver> => {
  const child = spawn('python3', ['-c', RECEIVER, name], { stdio: ['ignore', 'pipe', 'inherit'] });
  running.push(child);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<string> => JSON.parse((await lines.next()).value as string) as string;
  if ((await next()) !== 'bound') throw new Error(`nothing is received at ${name}`);
  return { next };
};
