import { spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { HoldfastError } from '@holdfast/errors';
import type { Recorder } from '../../lab/record/run-record.ts';
import type { Link, LinkState } from './link.ts';

/*
 * A network namespace of the kernel with one wire (veth) to the host. What happens on its links happens to packets: connections that were cut off go on
 * when the network comes back, those that could not be opened wait for an answer that does not come, and nothing stands between the two sides.
 */
export interface NetworkRoom {
  /** Its own address, as seen from the host and from itself. */
  readonly inside: string;
  /** The host's address, as seen from within. */
  readonly outside: string;
  /** What a command begins with that is to run within: in the same process, with all else as it is. */
  readonly enter: readonly string[];
  /** The way to a port that is served within. */
  linkTo(port: number): Link;
  /** The way from within to a port that is served at the host's address. */
  linkFrom(port: number): Link;
  /** Connections from within to this port of the loopback go to the same port of the host's address instead. */
  redirectLoopback(port: number): void;
}

/** Sets aside for measuring networks: RFC 2544. */
const PREFIX = '198.18';
const ATTEMPTS = 20;
/** Bytes that may go at once where the wire is thin, and how long what does not fit may wait. */
const BURST = 8192;
const LONGEST_WAIT = '5s';

const PATH = [process.env['PATH'] ?? '', '/usr/sbin', '/sbin'].join(':');

/** Changes of a network are made at once, between two steps of whoever asks. */
const run = (command: string, args: readonly string[]): void => {
  const { status, stderr, error } = spawnSync(command, args, {
    encoding: 'utf8',
    env: { ...process.env, PATH, LC_ALL: 'C' },
    timeout: 60_000,
  });
  if (status === 0) return;
  throw new HoldfastError('IO_FAILED', {
    thing: [command, ...args].join(' '),
    why: error?.message ?? `it ended with ${status}: ${stderr.trim()}`,
    remedy: 'network namespaces, veth and iptables are needed, as root',
  });
};

/** A pair of addresses nobody has. */
const wire = (name: string, within: string): { readonly inside: string; readonly outside: string } => {
  run('ip', ['link', 'add', name, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', within]);
  for (let attempt = 1; ; attempt += 1) {
    const net = `${PREFIX}.${randomInt(256)}`;
    const base = 4 * randomInt(64);
    const [outside, inside] = [`${net}.${base + 1}`, `${net}.${base + 2}`];
    const { stdout } = spawnSync('ip', ['-o', 'address', 'show', 'to', `${net}.${base}/30`], {
      encoding: 'utf8',
      env: { ...process.env, PATH },
    });
    if (stdout.trim() !== '' && attempt < ATTEMPTS) continue;
    run('ip', ['address', 'add', `${outside}/30`, 'dev', name]);
    run('ip', ['link', 'set', name, 'up']);
    return { inside, outside };
  }
};

/** Made for a run, and taken away with what it records. */
export const createNetworkRoom = (recorder: Recorder, label: string): NetworkRoom => {
  const name = `holdfast-${recorder.id}-${label}`;
  const device = `hf${recorder.id}${label}`.slice(0, 15);
  recorder.note({ namespaces: [name] });
  run('ip', ['netns', 'add', name]);
  const { inside, outside } = wire(device, name);
  const enter = ['nsenter', `--net=/run/netns/${name}`] as const;
  const within = (...args: readonly string[]): void => run(enter[0], [enter[1], ...args]);
  within('ip', 'address', 'add', `${inside}/30`, 'dev', 'eth0');
  for (const one of ['lo', 'eth0']) within('ip', 'link', 'set', one, 'up');

  const thin = new Set<Link>();
  /** All links of a room share its wire: the thinnest counts. */
  const shape = (rates: readonly number[]): void => {
    const rule =
      rates.length === 0 ? undefined : ['root', 'tbf', 'rate', `${Math.min(...rates)}bps`, 'burst', String(BURST), 'latency', LONGEST_WAIT];
    for (const [on, tc] of [
      [device, (...args: readonly string[]) => run('tc', args)],
      ['eth0', (...args: readonly string[]) => within('tc', ...args)],
    ] as const) {
      if (rule !== undefined) tc('qdisc', 'replace', 'dev', on, ...rule);
      else tc('qdisc', 'del', 'dev', on, 'root');
    }
  };

  /** `own`: the port is served within. */
  const link = (port: number, own: boolean): Link => {
    let state: LinkState = { kind: 'open' };
    const flows = [
      ['INPUT', own ? '--dport' : '--sport'],
      ['OUTPUT', own ? '--sport' : '--dport'],
    ] as const;
    const rules = (change: '-A' | '-D', kind: LinkState['kind']): void => {
      const fate = kind === 'dead' ? ['DROP'] : kind === 'cut' ? ['REJECT', '--reject-with', 'tcp-reset'] : undefined;
      if (fate === undefined) return;
      // The end of a connection arrives, or nobody would hear of the refusal.
      const flags = kind === 'cut' ? ['!', '--tcp-flags', 'RST', 'RST'] : [];
      for (const [chain, end] of flows) within('iptables', '-w', change, chain, '-p', 'tcp', ...flags, end, String(port), '-j', ...fate);
    };
    const reset = (): void => within('ss', '-K', 'state', 'established', own ? 'sport' : 'dport', '=', `:${port}`);
    const self: Link = {
      host: own ? inside : outside,
      port,
      get state() {
        return state;
      },
      set state(next) {
        const before = state;
        state = next;
        // Its end is told to both sides while packets still arrive.
        if (next.kind === 'cut') reset();
        rules('-A', next.kind);
        rules('-D', before.kind);
        if (next.kind === 'thin') thin.add(self);
        else thin.delete(self);
        if (next.kind === 'thin' || before.kind === 'thin')
          shape([...thin].flatMap(({ state: one }) => (one.kind === 'thin' ? [one.bytesPerSecond] : [])));
      },
      reset,
      close: async () => undefined,
    };
    return self;
  };

  return {
    inside,
    outside,
    enter,
    linkTo: (port) => link(port, true),
    linkFrom: (port) => link(port, false),
    redirectLoopback(port) {
      within('sh', '-c', 'echo 1 > /proc/sys/net/ipv4/conf/eth0/route_localnet');
      const rule = ['-d', '127.0.0.1', '-p', 'tcp', '--dport', String(port), '-j', 'DNAT', '--to-destination', `${outside}:${port}`];
      within('iptables', '-w', '-t', 'nat', '-A', 'OUTPUT', ...rule);
      within(
        'iptables',
        '-w',
        '-t',
        'nat',
        '-A',
        'POSTROUTING',
        '-o',
        'eth0',
        '-s',
        '127.0.0.0/8',
        '-p',
        'tcp',
        '--dport',
        String(port),
        '-j',
        'MASQUERADE',
      );
    },
  };
};
