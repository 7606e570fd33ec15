import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import type { Guest } from '../guest/index.ts';
import { createPerson, type Person } from './cli-process.ts';
import { type ConfigurationServer, startConfigurationServer } from './configuration-server.ts';
import { startFreshDebian } from './fresh-debian.ts';

const run = promisify(execFile);
const ROOT = path.resolve(__dirname, '../..');
/** Programs run ten times slower in the emulated processor, and other specs run beside this one. */
const PATIENCE = 1_200_000;
const SLOW = { timeoutSeconds: 600 };
/** The disk that is protected in the end. */
const DISK = '/dev/disk/by-serial/data';
/** How the guest reaches this machine's loopback. */
const HOST = '10.0.2.2';

interface Machine {
  readonly id: string;
  readonly name: string;
  readonly connected: boolean;
}

describe.unless(lacks('root', 'qemu-system-x86_64', 'mmdebstrap', 'mkfs.ext4'), 'a fresh Debian', () => {
  let directory: string;
  let server: ConfigurationServer;
  let person: Person;
  let guest: Guest;

  beforeAll(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'holdfast-install-'));
    const bundles = path.join(directory, 'bundles');
    const make = [path.join(ROOT, 'tools/bundle/main.ts'), '--out', bundles, 'holdfast-agent', 'holdfast-configuration-server', 'holdfast'];
    await run(process.execPath, ['--conditions=@holdfast/source', ...make]);
    [guest, server] = await Promise.all([
      startFreshDebian({ share: { '/bundles': bundles }, disks: [{ bus: 'virtio', sizeBytes: 32 << 20, serial: 'data' }] }),
      startConfigurationServer({
        directory: path.join(directory, 'server'),
        announcedHost: HOST,
        settings: `install: { directory: ${JSON.stringify(bundles)} }`,
      }),
    ]);
    person = createPerson(path.join(directory, 'person'));
    const login = await person.run(['login', '--server', server.url, '--fingerprint', server.fingerprint], server.administratorToken);
    if (login.status !== 0) throw new Error(login.stderr);
  }, PATIENCE);
  afterAll(async () => {
    await guest?.stop();
    await server?.process.stop();
    await rm(directory, { recursive: true });
  }, PATIENCE);

  const machines = (): Promise<Machine[]> => person.json<Machine[]>(['machine', 'list']);

  /** The machine, when its agent is connected. */
  const connected = async (): Promise<Machine> => {
    const watch = person.start(['machine', 'list', '--watch', '500ms', '--output', 'json']);
    try {
      await watch.written(/"connected":true/);
    } finally {
      watch.interrupt();
    }
    const [machine] = await machines();
    return machine!;
  };

  /** What people paste. */
  const pasteLines = async (): Promise<string> => {
    const { stdout } = await person.run(['token', 'create', '--role', 'agent']);
    return guest.output(`cd "$(mktemp -d)" && ${stdout}`, SLOW);
  };

  let id: string;

  it(
    'becomes a member by the lines of token create, and its agent runs under systemd',
    async () => {
      const said = await pasteLines();
      expect(said).toContain('holdfast-agent-0.1.0-linux-x64.tar.gz: OK');
      expect(said).toMatch(/holdfast-agent 0\.1\.0 is installed, and runs\./);
      const machine = await connected();
      id = machine.id;
      expect(said).toContain(`as agent ${id}`);
      expect(await guest.output('systemctl show --property=ActiveState,SubState,NRestarts,User holdfast-agent')).toBe(
        'NRestarts=0\nUser=\nActiveState=active\nSubState=running',
      );
      expect(machine.name).toBe(await guest.output('hostname'));
    },
    PATIENCE,
  );

  it(
    'is upgraded by installing again: settings, identity and machine stay',
    async () => {
      await guest.output('echo "# mine" >> /etc/holdfast/agent.yaml; touch /opt/holdfast/holdfast-agent-0.0.9');
      const pid = await guest.output('systemctl show --property=MainPID --value holdfast-agent');
      await guest.output('/opt/holdfast/holdfast-agent/install.sh', SLOW);
      expect(await guest.output('systemctl is-active holdfast-agent')).toBe('active');
      expect(await guest.output('systemctl show --property=MainPID --value holdfast-agent')).not.toBe(pid);
      expect(await guest.output('tail -1 /etc/holdfast/agent.yaml; ls /opt/holdfast')).toBe('# mine\nholdfast-agent\nholdfast-agent-0.1.0');
      expect((await connected()).id).toBe(id);
    },
    PATIENCE,
  );

  it(
    'has room for another bundle, whose coming and going leaves the first alone',
    async () => {
      await guest.output('cd "$(mktemp -d)" && tar xzf /bundles/holdfast-0*.tar.gz && */install.sh', SLOW);
      expect(await guest.output('holdfast version && ls /opt/holdfast', SLOW)).toMatch(
        /^holdfast 0\.1\.0 .*\nholdfast\nholdfast-0\.1\.0\nholdfast-agent\nholdfast-agent-0\.1\.0$/,
      );
      await guest.output('/opt/holdfast/holdfast/uninstall.sh');
      expect(await guest.output('ls /opt/holdfast /usr/local/bin')).toBe(
        '/opt/holdfast:\nholdfast-agent\nholdfast-agent-0.1.0\n\n/usr/local/bin:\nholdfast-agent',
      );
      expect(await guest.output('systemctl is-active holdfast-agent')).toBe('active');
    },
    PATIENCE,
  );

  it(
    'comes back as itself after uninstall and install, and is gone after --purge',
    async () => {
      expect(await guest.output('/opt/holdfast/holdfast-agent/uninstall.sh', SLOW)).toContain('Its settings and state are still');
      const left =
        'ls -d /opt/holdfast /usr/local/bin/* /etc/systemd/system/holdfast-agent* 2>/dev/null; systemctl is-active holdfast-agent';
      expect((await guest.run(left)).stdout).toBe('inactive\n');
      await pasteLines();
      expect(await machines()).toHaveLength(1);
      expect((await connected()).id).toBe(id);

      expect(await guest.output('/opt/holdfast/holdfast-agent/uninstall.sh --purge', SLOW)).toContain('with its settings and its state');
      expect((await guest.run('ls -d /opt/holdfast /etc/holdfast /var/lib/holdfast /run/holdfast* 2>/dev/null')).stdout).toBe('');
    },
    PATIENCE,
  );

  it(
    'becomes a whole site by one bundle, and protects and recovers itself, as the tour of docs/operations.md goes',
    async () => {
      // The name of a server has to lead to it: people have DNS.
      await guest.output('echo "127.0.0.1 $(hostname)" >> /etc/hosts');
      await guest.output('cd "$(mktemp -d)" && tar xzf /bundles/holdfast-configuration-server-*.tar.gz && */install.sh', SLOW);
      await guest.output('mkdir -p /var/lib/holdfast/bundles && cp /bundles/* /var/lib/holdfast/bundles');
      await guest.output(
        `log() { journalctl --output=cat --unit holdfast-configuration-server; }
        until log | grep -q '"fingerprint"'; do sleep 1; done
        holdfast login --server https://127.0.0.1 --name here \
          --fingerprint "$(log | grep -o '"fingerprint":"[0-9a-f]*' | tail -1 | cut -d '"' -f 4)" \
          < /var/lib/holdfast/configuration-server/administrator.token`,
        SLOW,
      );
      const processes = '/sys/fs/cgroup/system.slice/holdfast-configuration-server.service/cgroup.procs';
      const state = '/var/lib/holdfast/process-server';

      await guest.output(
        `install -d -o holdfast -m 700 /srv/vault
        sudo -u holdfast holdfast vault create --store file:/srv/vault --name office \
          --new-key-file ${state}/office.key --recovery-kit ${state}/office.recovery-kit.txt
        printf 'vaults:\n  office:\n    url: file:/srv/vault\n    key-file: ${state}/office.key\n' >> /etc/holdfast/process-server.yaml
        systemctl restart holdfast-configuration-server
        until holdfast server list --output json | grep -q '"office"'; do sleep 2; done`,
        SLOW,
      );
      expect(await guest.output(`ps -o user= -p "$(paste -sd, ${processes})"`)).toBe('holdfast\nholdfast');

      await guest.output(
        `mkfs.ext4 -q ${DISK} && mount ${DISK} /mnt && head -c 3M /dev/urandom > /mnt/file && sync
        (cd "$(mktemp -d)" && holdfast token create --role agent > lines && bash lines)
        printf 'disks:\n  include: ["%s"]\n' "$(readlink -f ${DISK})" >> /etc/holdfast/agent.yaml
        systemctl restart holdfast-agent
        until holdfast disk list --output json | grep -q '"id"'; do sleep 2; done`,
        SLOW,
      );
      const protect = await guest.run('holdfast protect "$(hostname)" --vault office --wait', SLOW);
      expect(protect).toMatchObject({ status: 0, stdout: expect.stringContaining('succeeded') });

      // The way back, without any server.
      await guest.output(
        `umount /mnt
        now=$(date --utc +%FT%TZ)
        newest() { holdfast machine list --output json | grep -o '"newestPoint": "[^"]*' | cut -d '"' -f 4; }
        until [[ "$(newest)" > "$now" ]]; do sleep 2; done
        systemctl stop holdfast-agent holdfast-configuration-server
        holdfast recover --vault file:/srv/vault --key-file ${state}/office.recovery-kit.txt --export /tmp/restored
        cmp ${DISK} /tmp/restored/*.raw`,
        SLOW,
      );
    },
    PATIENCE,
  );
});
