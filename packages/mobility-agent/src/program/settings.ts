import { bytes, duration, filePath, flag, list, memberSettings, section, text } from '@holdfast/daemon';

/** Settings of `holdfast-agent` beside those that every program has. */
export const agentSettings = {
  ...memberSettings,
  disks: section('Which disks of this machine can be protected.', {
    include: list(filePath({ help: 'A disk' }), {
      help: 'Paths of block devices or image files; empty: all whole physical disks. Name devices of other kinds here (loop, image files)',
    }),
    scan: list(filePath({ help: 'A disk' }), {
      help: 'Paths of block devices that are read and compared instead of traced; points are made only while nothing is written to them',
    }),
    look: duration({ default: '30s', min: '100ms', max: '24h', help: 'Time between looks for disks that came or grew' }),
  }),
  hrl: section("The agent's own log of changes that are not in the vault yet.", {
    directory: filePath({ optional: true, help: 'Where it is on disk; below the state directory unless set' }),
    quota: bytes({
      default: '4GiB',
      min: '64MiB',
      max: '16TiB',
      help: 'Most bytes on disk; beyond it no points are made until the vault keeps up',
    }),
    segment: bytes({ default: '64MiB', min: '1MiB', max: '1GiB', help: 'Size of one of its files' }),
    memory: bytes({
      optional: true,
      min: '0B',
      max: '64GiB',
      help: 'Most bytes in memory, used before the disk; 0B for none; 128MiB unless set, a sixteenth of its memory on a machine with less than 2 GiB',
    }),
  }),
  trace: section("The kernel's trace of writes.", {
    buffer: bytes({ default: '32MiB', min: '1MiB', max: '4GiB', help: 'Kernel memory for events, all processors together' }),
    memoryDirectory: filePath({
      optional: true,
      help: 'A directory in a tmpfs for what must survive the end of the agent; /run or /dev/shm unless set',
    }),
  }),
  copy: section('First copies of disks, and resynchronization.', {
    rate: bytes({ default: '0B', min: '0B', max: '64GiB', per: 'second', help: 'Read at most so much; 0B for no limit' }),
    yield: flag({ default: true, help: 'Read less while others use the disk and reads take longer than usual' }),
  }),
  check: section('Comparing with the vault what nobody wrote to.', {
    interval: duration({ default: '1min', min: '0s', max: '24h', help: 'Time from one MiB of a disk to the next; 0s for never' }),
  }),
  points: section('Recovery points.', {
    interval: duration({
      optional: true,
      min: '1s',
      max: '24h',
      help: 'Time from point to point on this machine, whatever the policy says',
    }),
  }),
  consistency: section('Points for which applications and file systems are at rest.', {
    directory: filePath({
      default: '/etc/holdfast/app-consistency.d',
      help: 'Scripts that ask applications to hold still; run as root, so only root may be able to change them',
    }),
    scriptLimit: duration({ default: '30s', min: '1s', max: '10min', help: 'Longest time for one of them, each way' }),
  }),
  shutdown: section('Before a failover that shall lose nothing (`failover start --shutdown-source`).', {
    directory: filePath({
      default: '/etc/holdfast/shutdown.d',
      help: 'Scripts that bring to rest what writes (argument pre), and let it go on when that is called off (post); run as root, so only root may be able to change them',
    }),
    scriptLimit: duration({ default: '2min', min: '1s', max: '1h', help: 'Longest time for one of them' }),
    powerOff: list(text({ help: 'A word' }), {
      help: 'Program and arguments that power the machine off; unless given, systemctl poweroff',
      max: 16,
    }),
  }),
  sender: section('The way to the process server.', {
    retryFirst: duration({
      default: '500ms',
      min: '10ms',
      max: '1h',
      help: 'Wait after the first failure, doubled with each that follows',
    }),
    retryLongest: duration({ default: '30s', min: '100ms', max: '1h', help: 'Longest of these waits' }),
    retryRefused: duration({
      default: '60s',
      min: '100ms',
      max: '24h',
      help: 'Wait after an answer that only people can change: fenced, revoked, not assigned',
    }),
  }),
  report: section('Reports to the configuration server.', {
    interval: duration({ default: '3s', min: '100ms', max: '1h', help: 'Time between reports' }),
  }),
};

export type AgentSchema = typeof agentSettings;
