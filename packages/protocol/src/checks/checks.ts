/** Who looks. */
export type Checker = 'agent' | 'process server' | 'configuration server';

/** One thing that a protection needs. */
export interface Check {
  readonly by: Checker;
  /** What has to be the case, for the table of docs/support.md. */
  readonly needs: string;
  /** What to do where it is not, unless the finding says something better. */
  readonly remedy: string;
  /** What it is when it is not so: a protection is refused, or less good than it could be. */
  readonly otherwise: 'failure' | 'warning';
}

/** Everything that is looked at before a machine is protected, and every twelve hours from then on. docs/support.md is made of it. */
export const CHECKS = {
  'machine-connected': {
    by: 'configuration server',
    needs: 'The agent of the machine is connected to the configuration server (port 443).',
    remedy: 'start holdfast-agent on it and see what it logs',
    otherwise: 'failure',
  },
  'machine-answers': {
    by: 'configuration server',
    needs: 'The agent does and answers what the configuration server tells it: the way back works too.',
    remedy: 'see what holdfast-agent logs; a proxy or firewall that holds messages back would do this',
    otherwise: 'failure',
  },
  'machine-version': {
    by: 'configuration server',
    needs: 'The agent is not newer than the configuration server, and of the same major version.',
    remedy: 'bring the configuration server up to date first, then process servers, then agents',
    otherwise: 'failure',
  },
  'machine-clock': {
    by: 'configuration server',
    needs:
      'The clock of the machine differs from that of the configuration server by less than 5 s: points bear its time, and the RPO is told by it.',
    remedy: 'keep its clock by NTP (chrony, systemd-timesyncd)',
    otherwise: 'warning',
  },
  'disks-there': {
    by: 'configuration server',
    needs: 'At least one disk of the machine is not excluded.',
    remedy: 'see `holdfast disk list`, and exclude fewer',
    otherwise: 'failure',
  },
  'disk-sectors': {
    by: 'configuration server',
    needs: 'Sectors of a disk have 512 or 4,096 bytes.',
    remedy: 'exclude it',
    otherwise: 'failure',
  },
  'disk-size': {
    by: 'configuration server',
    needs: 'The size of a disk is known, and a multiple of 512 bytes.',
    remedy: 'exclude it',
    otherwise: 'failure',
  },
  'vault-named': {
    by: 'configuration server',
    needs: 'A vault is named, or there is exactly one.',
    remedy: 'name the vault in the settings of a process server, and start it',
    otherwise: 'failure',
  },
  'line-open': {
    by: 'configuration server',
    needs: 'No failover of the machine was committed whose fence holds its line in the vault: protecting it makes it the source again.',
    remedy: 'protect it with `--source-again`, which releases the fence, or into another vault; see `holdfast recovery list`',
    otherwise: 'warning',
  },
  'server-connected': {
    by: 'configuration server',
    needs: 'A process server that holds the vault, and is not being drained, is connected and says where agents reach it.',
    remedy: 'name the vault in the settings of a process server, and start it',
    otherwise: 'failure',
  },
  'server-answers': {
    by: 'configuration server',
    needs: 'The process server does and answers what the configuration server tells it.',
    remedy: 'see what holdfast-process-server logs',
    otherwise: 'failure',
  },
  'server-version': {
    by: 'configuration server',
    needs: 'The process server is not newer than the configuration server, of the same major version, and not older than the agent.',
    remedy: 'bring the configuration server up to date first, then process servers, then agents',
    otherwise: 'failure',
  },
  'server-clock': {
    by: 'configuration server',
    needs: 'The clock of the process server differs from that of the configuration server by less than 5 s.',
    remedy: 'keep its clock by NTP (chrony, systemd-timesyncd)',
    otherwise: 'warning',
  },
  'policy-there': {
    by: 'configuration server',
    needs: 'The policy exists, and so does the one for the way home.',
    remedy: 'see `holdfast policy list`, and name another',
    otherwise: 'failure',
  },
  'target-fabric': {
    by: 'configuration server',
    needs: 'A connected process server runs recovered machines on the fabric that is named as target.',
    remedy:
      'mend what is named there, or give a process server the role recovery; until then the machine can be recovered with `holdfast recover` only',
    otherwise: 'warning',
  },
  'target-network': {
    by: 'configuration server',
    needs:
      'Network and network of tests of the target are named and differ, where the fabric does not isolate tests by itself (azure, vsphere).',
    remedy: 'name both',
    otherwise: 'failure',
  },
  'agent-root': {
    by: 'agent',
    needs: 'The agent runs as root.',
    remedy: 'run holdfast-agent as root, as its systemd unit does',
    otherwise: 'failure',
  },
  'kernel-tracing': {
    by: 'agent',
    needs:
      'The kernel (Linux) tells of block requests by tracefs (CONFIG_FTRACE, CONFIG_EVENT_TRACING) and is not locked down for confidentiality.',
    remedy: 'use a kernel with CONFIG_FTRACE and CONFIG_EVENT_TRACING, without lockdown=confidentiality',
    otherwise: 'failure',
  },
  'tracking-memory': {
    by: 'agent',
    needs: '/run or /dev/shm (or `trace.memory-directory`) is a tmpfs with room for what must survive the end of the agent.',
    remedy: 'mount a larger tmpfs, or name one in the setting trace.memory-directory',
    otherwise: 'failure',
  },
  'disk-kind': {
    by: 'agent',
    needs:
      'A disk is a whole block device of this machine alone: no partition, no member of an md array or multipath device, not zoned, not DAX, no cluster file system on it, its statistics are on. LVM, LUKS, md and zram are taken as disks of their own after a self-test; image files are captured by reading them.',
    remedy: 'exclude it',
    otherwise: 'failure',
  },
  'log-space': {
    by: 'agent',
    needs: 'The directory of the `.hrl` has room for its quota (`hrl.quota`); with less than 64 MiB there is no protection.',
    remedy: 'free space, move it with hrl.directory, or lower hrl.quota',
    otherwise: 'warning',
  },
  'application-scripts': {
    by: 'agent',
    needs: 'Scripts that ask applications to hold still belong to root, and nobody else can change them.',
    remedy: 'see docs/operations.md, application-consistent points',
    otherwise: 'warning',
  },
  'server-reachable': {
    by: 'agent',
    needs: 'The machine reaches the process server (port 9443), believes its certificate, and answers come back.',
    remedy: 'open the port of the process server for the machine, or correct replication.advertise in the settings of the server',
    otherwise: 'failure',
  },
  'vault-key': {
    by: 'process server',
    needs: 'The vault is there, and the key of the process server opens it.',
    remedy: 'see url, key-file and fingerprint of the vault in the settings of the process server',
    otherwise: 'failure',
  },
  'vault-rights': {
    by: 'process server',
    needs: 'The process server may read and create objects in the vault.',
    remedy: 'give its credential the rights to read, create and list (SAS: rcl)',
    otherwise: 'failure',
  },
  'vault-space': {
    by: 'process server',
    needs: 'The file system of a vault in a folder has at least 1 GiB and a twentieth of its size free.',
    remedy: 'free space where the vault is, or make it larger',
    otherwise: 'warning',
  },
  'target-bridge': {
    by: 'process server',
    needs:
      'The process server that would run the recovered machine has the bridges that the target names for failovers and tests, and may plug machines into them.',
    remedy: 'make the bridge there, or name another network: `holdfast machine set`, or the plan',
    otherwise: 'failure',
  },
  'journal-space': {
    by: 'process server',
    needs: 'The directory of the journal has room for its quota (`journal.quota`).',
    remedy: 'free space, move it with journal.directory, or lower journal.quota',
    otherwise: 'warning',
  },
} as const satisfies Readonly<Record<string, Check>>;

export type CheckCode = keyof typeof CHECKS;

export const CHECK_CODES = Object.keys(CHECKS) as readonly CheckCode[];
