import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createApt } from './apt.ts';

describe('apt', () => {
  let directory: string;
  let program: string;

  /** A program in place of apt-get: it notes how it was called, then runs `body`. */
  const fake = async (body: string): Promise<void> => {
    await writeFile(program, `#!/bin/sh\necho "$DEBIAN_FRONTEND $*" >> "${directory}/calls"\n${body}\n`);
    await chmod(program, 0o755);
  };
  const calls = async (): Promise<string[]> => (await readFile(path.join(directory, 'calls'), 'utf8')).trim().split('\n');

  beforeEach(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'holdfast-apt-'));
    program = path.join(directory, 'apt-get');
  });

  afterEach(() => rm(directory, { recursive: true }));

  it('fetches the lists, then installs without questions and recommendations', async () => {
    await fake('exit 0');
    await createApt({ program }).install(['fio', 'lz4']);
    expect(await calls()).toEqual(['noninteractive update', 'noninteractive install --yes --no-install-recommends fio lz4']);
  });

  it('waits while another one holds the lock', async () => {
    await fake(
      `[ "$(wc -l < "${directory}/calls")" -gt 3 ] && exit 0; echo 'E: Could not get lock /var/lib/dpkg/lock-frontend' >&2; exit 100`,
    );
    await createApt({ program, lockPollMs: 1 }).install(['fio']);
    expect((await calls()).map((line) => line.split(' ')[1])).toEqual(['update', 'update', 'update', 'update', 'install']);
  });

  it('gives up waiting for the lock when its patience ends', async () => {
    await fake("echo 'E: Could not get lock /var/lib/dpkg/lock-frontend' >&2; exit 100");
    await expect(createApt({ program, lockPatienceMs: 0 }).install(['fio'])).rejects.toThrow('Could not get lock');
  });

  it('installs from old lists when new ones cannot be had', async () => {
    await fake('[ "$1" = install ] || exit 100');
    await createApt({ program }).install(['fio']);
  });

  it('fails in the words of apt, at once, with both failures if there were two', async () => {
    await fake('if [ "$1" = update ]; then echo "E: no network" >&2; else echo "E: Unable to locate package fio" >&2; fi; exit 100');
    await expect(createApt({ program }).install(['fio'])).rejects.toThrow(
      'E: Unable to locate package fio (and apt-get update failed: E: no network)',
    );
    expect(await calls()).toHaveLength(2);
  });

  it('fails when there is no apt', async () => {
    await expect(createApt({ program }).install(['fio'])).rejects.toThrow('ENOENT');
  });
});
