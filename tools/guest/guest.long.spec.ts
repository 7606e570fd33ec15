import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { isAlive } from './alive.ts';
import { createGuestImage, type Guest, startGuest } from './index.ts';
import { quoted } from './shell.ts';

/** An emulated processor boots in 10 s on an idle machine and needs several times that on a busy one: few boots, many checks. */
const PATIENCE_MS = 600_000;
const DISK_BYTES = 64 << 20;
const WORKSPACE = path.resolve(__dirname, '../..');

let directory: string;
let guest: Guest;

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'guest-spec-'));
  const image = path.join(directory, 'mine, with a comma.raw');
  await writeFile(image, '');
  await truncate(image, DISK_BYTES);
  guest = await startGuest({
    disks: [
      { bus: 'virtio', path: image, serial: 'mine' },
      { bus: 'nvme', sizeBytes: DISK_BYTES },
      { bus: 'scsi', sizeBytes: DISK_BYTES },
    ],
    share: { '/share': WORKSPACE },
    network: 'user',
  });
}, PATIENCE_MS);

afterAll(async () => {
  await guest?.stop();
  await rm(directory, { recursive: true });
}, PATIENCE_MS);

const until = async (condition: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 50));
};

describe('the image', () => {
  it('is built once', async () => {
    const lines: string[] = [];
    const { root } = await createGuestImage({ print: (line) => lines.push(line) });
    expect(existsSync(root)).toBe(true);
    expect(lines).toEqual([]);
  });
});

describe('scripts', () => {
  it('return what they printed and how they ended', async () => {
    await expect(guest.run('echo out; echo "err ä" >&2; exit 7')).resolves.toEqual({ status: 7, stdout: 'out\n', stderr: 'err ä\n' });
    await expect(guest.output('echo why >&2; false')).rejects.toMatchObject({
      code: 'GUEST_FAILED',
      why: expect.stringMatching(/status 1: why/),
    });
  });

  it('run programs that can be interrupted', async () => {
    await expect(guest.run("bash -c 'kill -INT $$; echo survived'")).resolves.toMatchObject({ status: 130, stdout: '' });
  });

  it('run side by side', async () => {
    const waiting = guest.output('until [ -e /tmp/go ]; do sleep 0.1; done; echo went');
    await guest.output('touch /tmp/go');
    await expect(waiting).resolves.toBe('went');
  });

  it('are killed at their deadline', async () => {
    await expect(guest.run('sleep 54321 & wait', { timeoutSeconds: 2 })).rejects.toMatchObject({ code: 'GUEST_FAILED' });
    await guest.output('while pgrep -f "sleep 5432[1]"; do sleep 0.1; done');
  });

  it('leave files that travel both ways', async () => {
    const bytes = randomBytes(300_001);
    const there = '/tmp/a place/it\'s "$HOME"';
    const [source, copy] = [path.join(directory, 'source'), path.join(directory, 'copy')];
    await writeFile(source, bytes, { mode: 0o750 });
    await guest.put(source, there);
    await expect(guest.output(`stat -c %a ${quoted(there)}`)).resolves.toBe('750');
    await guest.get(there, copy);
    expect(bytes.equals(await readFile(copy))).toBe(true);
  });
});

describe('what the host lacks', () => {
  it('has virtio, NVMe and SCSI disks, in their order and by serial', async () => {
    const names = await guest.output('cd /dev/disk/by-serial && realpath mine disk1 disk2');
    expect(names.split('\n')).toEqual(['/dev/vda', '/dev/nvme0n1', '/dev/sda']);
    await expect(guest.output('cat /sys/block/{vda,nvme0n1,sda}/size | sort -u')).resolves.toBe(`${DISK_BYTES / 512}`);
    expect(guest.disks.map(({ device }) => device)).toEqual(['mine', 'disk1', 'disk2'].map((serial) => `/dev/disk/by-serial/${serial}`));
  });

  it('traces requests at all three', async () => {
    const traced = await guest.output(`
      cd /sys/kernel/tracing && mkdir instances/spec && cd instances/spec
      echo 1 >events/block/block_rq_complete/enable
      for disk in vda nvme0n1 sda; do
        dd if=/dev/zero of=/dev/$disk bs=4096 count=1 seek=3 oflag=direct status=none
        grep -c "block_rq_complete: $(tr : , </sys/block/$disk/dev) W.* 24 + 8 " trace
      done
      cd / && rmdir /sys/kernel/tracing/instances/spec`);
    expect(traced.split('\n')).toEqual(['1', '1', '1']);
  });

  it('runs Node and the TypeScript of the workspace', async () => {
    await expect(guest.output('node -p process.versions.node')).resolves.toMatch(/^24\./);
    const program = 'import { BLOCK_SIZE } from "@holdfast/block"; console.log(BLOCK_SIZE)';
    await expect(guest.output(`cd /share/tools && node --conditions=@holdfast/source --input-type=module -e '${program}'`)).resolves.toBe(
      '4096',
    );
    await expect(guest.output('touch /share/x')).rejects.toThrow('Read-only file system');
  });

  it('has md, device mapper, LVM and netem', async () => {
    await guest.output(`set -e
      wipe() { wipefs -qa /dev/nvme0n1 /dev/sda; }
      mdadm --create /dev/md/spec --run --level=1 --raid-devices=2 --assume-clean --bitmap=none /dev/nvme0n1 /dev/sda
      echo mirrored | dd of=/dev/md/spec conv=fsync status=none
      grep 'active raid1' /proc/mdstat
      mdadm --stop /dev/md/spec && mdadm --zero-superblock /dev/nvme0n1 /dev/sda

      dmsetup create spec --table "0 2048 linear /dev/sda 1024"
      echo mapped | dd of=/dev/mapper/spec conv=fsync oflag=direct,sync ibs=512 conv=sync status=none
      [ "$(dd if=/dev/sda skip=1024 count=1 iflag=direct status=none | tr -d '\\0')" = mapped ]
      dmsetup remove spec

      wipe && vgcreate -q spec /dev/nvme0n1 /dev/sda && lvcreate -q -y -n striped -i 2 -L 16M spec
      [ -b /dev/spec/striped ] && vgremove -q -y spec && wipe

      tc qdisc add dev lo root netem delay 5ms && tc qdisc del dev lo root`);
  });

  it('has a kernel NBD client that reaches this host', async () => {
    const [image, socket] = [path.join(directory, 'served.raw'), path.join(directory, 'nbd.sock')];
    await writeFile(image, 'served'.padEnd(4096, '.'));
    const server = spawn('qemu-nbd', ['--read-only', '--format=raw', `--socket=${socket}`, image], { stdio: 'ignore' });
    const ended = once(server, 'close');
    const listener = createServer((incoming) => incoming.pipe(connect(socket)).pipe(incoming));
    try {
      await until(() => existsSync(socket));
      await once(listener.listen(0, '127.0.0.1'), 'listening');
      const { port } = listener.address() as AddressInfo;
      const read = 'head -c 6 /dev/nbd0 && nbd-client -d /dev/nbd0 >/dev/null';
      await expect(guest.output(`modprobe nbd && nbd-client 10.0.2.2 ${port} /dev/nbd0 -N "" >/dev/null && ${read}`)).resolves.toBe(
        'served',
      );
    } finally {
      listener.close();
      server.kill();
      await ended;
    }
  });

  it('answers QMP', async () => {
    const blocks = (await guest.qmp('query-block')) as { inserted?: { 'node-name': string } }[];
    expect(blocks.map(({ inserted }) => inserted?.['node-name'])).toEqual(['holdfast-root', 'mine', 'disk1', 'disk2']);
    await expect(guest.qmp('no-such-command')).rejects.toMatchObject({ code: 'FABRIC_FAILED' });
  });
});

/** What tells one boot, and one machine, from another. */
const identity = async (): Promise<{ boot: string; machine: string }> => {
  const [boot, machine] = (await guest.output('cat /proc/sys/kernel/random/boot_id /etc/machine-id')).split('\n');
  return { boot: boot!, machine: machine! };
};

describe('off and on', () => {
  it(
    'reboots in order: what was written is on the disk, the root is fresh, the machine the same',
    async () => {
      const before = await identity();
      await guest.output('mkfs.ext4 -qF /dev/vda && mount /dev/vda /mnt && echo kept >/mnt/file && touch /root/lost');
      await guest.reboot();
      const after = await identity();
      expect(after.machine).toBe(before.machine);
      expect(after.boot).not.toBe(before.boot);
      // Cleanly unmounted: nothing was left for the journal.
      await expect(guest.output('! dumpe2fs -h /dev/vda 2>/dev/null | grep needs_recovery')).resolves.toBe('');
      await expect(guest.output('mount /dev/vda /mnt && cat /mnt/file && ls /root')).resolves.toBe('kept');
    },
    PATIENCE_MS,
  );

  it(
    'loses its power between two writes, and nothing that was acknowledged',
    async () => {
      const writer = guest.run(`
      for ((i = 1; ; i++)); do
        echo $i | dd of=/mnt/counter conv=fsync status=none && echo $i
        ((i == 20)) && touch /tmp/enough
      done`);
      await guest.output('until [ -e /tmp/enough ]; do sleep 0.1; done');
      await guest.powerCut();
      expect(guest.pid).toBeUndefined();
      await expect(guest.run('true')).rejects.toMatchObject({ code: 'GUEST_FAILED' });
      const { status, stdout } = await writer;
      expect(status).toBeUndefined();
      const acknowledged = Number(stdout.trimEnd().split('\n').at(-1));
      expect(acknowledged).toBeGreaterThanOrEqual(20);

      await guest.start();
      expect(await guest.output('dumpe2fs -h /dev/vda 2>/dev/null | grep -o needs_recovery')).toBe('needs_recovery');
      const found = Number(await guest.output('mount /dev/vda /mnt && cat /mnt/counter'));
      // The write under way may have made it, its acknowledgement not.
      expect([acknowledged, acknowledged + 1]).toContain(found);
    },
    PATIENCE_MS,
  );

  it('refuses a disk that another guest uses, and leaves nothing of the try', async () => {
    const homes = async () => (await readdir(tmpdir())).filter((name) => name.startsWith(`holdfast-guest-${process.pid}-`));
    const before = await homes();
    const second = startGuest({ disks: [{ bus: 'virtio', path: guest.disks[0]!.path }] });
    await expect(second).rejects.toMatchObject({ code: 'GUEST_FAILED', why: expect.stringMatching(/lock/) });
    expect(await homes()).toEqual(before);
  });

  it('tells of a death with the end of the console, and ends without a trace', async () => {
    const { pid } = guest;
    const under = guest.run('sleep infinity');
    await expect(guest.run('echo c >/proc/sysrq-trigger')).rejects.toMatchObject({
      code: 'GUEST_FAILED',
      why: expect.stringMatching(/sysrq triggered crash/),
    });
    await expect(under).rejects.toMatchObject({ code: 'GUEST_FAILED' });
    expect(isAlive(pid!)).toBe(false);
    const { consoleLog } = guest;
    expect(existsSync(consoleLog)).toBe(true);
    await guest.stop();
    expect(existsSync(path.dirname(consoleLog))).toBe(false);
  });
});

it('does not outlive a process that is killed', async () => {
  const program = `
    import { startQemu } from ${JSON.stringify(path.join(__dirname, 'qemu.ts'))};
    console.log((await startQemu(['-machine', 'none', '-display', 'none', '-nodefaults'])).pid);
    setInterval(() => {}, 1000);
  `;
  const owner = spawn(process.execPath, ['--conditions=@holdfast/source', '--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(owner.stdout.setEncoding('utf8'), 'data')) as [string];
  const qemu = Number(line);
  expect(isAlive(qemu)).toBe(true);
  owner.kill('SIGKILL');
  await until(() => !isAlive(qemu));
});
