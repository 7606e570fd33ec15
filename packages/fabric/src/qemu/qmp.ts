import type { Duplex } from 'node:stream';
import { HoldfastError } from '@holdfast/errors';
import { onLine } from './lines.ts';

/** A client of QEMU's machine protocol, https://www.qemu.org/docs/master/interop/qmp-spec.html. */
export interface Qmp {
  /** The answer's `return` value; `FABRIC_FAILED` with QEMU's words when it refuses or is gone. */
  execute(command: string, args?: Readonly<Record<string, unknown>>): Promise<unknown>;
}

interface Answer {
  readonly id?: number;
  readonly return?: unknown;
  readonly error?: { readonly desc?: string };
}

interface Pending {
  readonly command: string;
  readonly resolve: (value: unknown) => void;
  readonly reject: (reason: HoldfastError) => void;
}

const refused = (command: string, why: string): HoldfastError =>
  new HoldfastError('FABRIC_FAILED', { thing: `QMP command ${command}`, why, remedy: 'see the QMP reference of this QEMU' });

const parse = (line: string): Answer | undefined => {
  try {
    return JSON.parse(line) as Answer;
  } catch {
    return undefined;
  }
};

/** Speaks over one end of a socket pair; capabilities are negotiated first, commands wait in QEMU's own queue behind that. */
export const createQmp = (socket: Duplex): Qmp => {
  const pending = new Map<number, Pending>();
  let lastId = 0;
  let gone = false;

  const execute = (command: string, args?: Readonly<Record<string, unknown>>): Promise<unknown> =>
    new Promise((resolve, reject) => {
      if (gone) return reject(refused(command, 'QEMU has ended'));
      const id = ++lastId;
      pending.set(id, { command, resolve, reject });
      socket.write(`${JSON.stringify({ execute: command, arguments: args, id })}\n`);
    });

  onLine(socket, (line) => {
    const answer = parse(line);
    if (answer === undefined) return void socket.destroy();
    const { id, error, return: value } = answer;
    // The greeting and events carry no id; nothing here waits for them.
    const answered = id === undefined ? undefined : pending.get(id);
    if (answered === undefined) return;
    pending.delete(id!);
    if (error === undefined) answered.resolve(value);
    else answered.reject(refused(answered.command, error.desc ?? 'refused'));
  });
  for (const event of ['end', 'error']) socket.on(event, () => socket.destroy());
  socket.on('close', () => {
    gone = true;
    for (const { command, reject } of pending.values()) reject(refused(command, 'QEMU ended before it answered'));
    pending.clear();
  });

  // Refusal of this one shows in the refusal of every command after it.
  execute('qmp_capabilities').catch(() => {});
  return { execute };
};
