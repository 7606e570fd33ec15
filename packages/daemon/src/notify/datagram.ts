import { getSystemErrorName } from 'node:util';
import koffi from 'koffi';

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
/** Bytes of a path in `struct sockaddr_un`. */
const LONGEST_PATH = 108;

interface Libc {
  socket(domain: number, type: number, protocol: number): number;
  sendto(fd: number, data: Uint8Array, length: number, flags: number, address: Uint8Array, addressLength: number): number;
  close(fd: number): number;
}

let bound: Libc | undefined;

/** Bound at first use, so that importing this file is harmless where the functions do not exist. */
const libc = (): Libc => {
  if (bound !== undefined) return bound;
  const library = koffi.load(null);
  bound = {
    socket: library.func('int socket(int, int, int)'),
    sendto: library.func('int64_t sendto(int, const uint8_t *, size_t, int, const uint8_t *, uint32_t)'),
    close: library.func('int close(int)'),
  };
  return bound;
};

const systemError = (call: string): NodeJS.ErrnoException => {
  const number = koffi.errno();
  const code = getSystemErrorName(-number);
  return Object.assign(new Error(`${code}: ${call}`), { code, errno: -number, syscall: call });
};

/**
 * `struct sockaddr_un` of a socket's name. A name that begins with @ is abstract: its first byte is 0 and its length counts
 * (unix(7), sd_notify(3)). Throws for a name that is no socket's.
 */
export const unixAddress = (name: string): Buffer => {
  const bytes = Buffer.from(name.startsWith('@') ? `\0${name.slice(1)}` : `${name}\0`);
  if (!/^[@/]./s.test(name) || bytes.length > LONGEST_PATH || name.includes('\0'))
    throw new Error(`${name} is not the name of a unix socket`);
  const family = Buffer.alloc(2);
  family.writeUInt16LE(AF_UNIX);
  return Buffer.concat([family, bytes]);
};

/** Sends one datagram to a unix socket without waiting. Throws the system's error. */
export const sendDatagram = (name: string, data: Uint8Array): void => {
  const address = unixAddress(name);
  const { socket, sendto, close } = libc();
  const fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) throw systemError('socket');
  try {
    if (sendto(fd, data, data.length, MSG_DONTWAIT | MSG_NOSIGNAL, address, address.length) < 0) throw systemError('sendto');
  } finally {
    close(fd);
  }
};
