import { chmod, chown, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { findTrustedScript } from './trusted-script.ts';

// Below the home directory: everybody may write to the one for temporary files.
describe('a script that a program runs by its name', () => {
  let folder: string;
  let scripts: string;
  beforeEach(async () => {
    folder = await mkdtemp(path.join(homedir(), '.holdfast-trusted-'));
    scripts = path.join(folder, 'scripts');
    await mkdir(scripts, { mode: 0o755 });
    await write('ledger');
  });
  afterEach(() => rm(folder, { recursive: true }));
  const write = async (name: string, mode = 0o755): Promise<string> => {
    const file = path.join(scripts, name);
    await writeFile(file, '#!/bin/sh\n');
    await chmod(file, mode);
    return file;
  };
  const find = (name: string, directory: string | undefined = scripts): Promise<string> =>
    findTrustedScript(directory, name, 'recovery.proof-scripts');
  const refusal = (name: string): Promise<string> =>
    find(name).then(
      () => 'none',
      ({ code, why }: { readonly code: string; readonly why: string }) => `${code} ${why}`,
    );

  it('is found by its path, a link followed', async () => {
    const file = path.join(scripts, 'ledger');
    expect(await find('ledger')).toBe(file);
    await symlink(file, path.join(scripts, 'link'));
    expect(await find('link')).toBe(file);
  });

  it('is refused where it is none', async () => {
    await mkdir(path.join(scripts, 'folder'));
    await write('text', 0o644);
    for (const name of ['../ledger', '', '.hidden', 'a/b', 'x'.repeat(101)])
      expect(await refusal(name)).toBe('SCRIPT_REFUSED it is no name of a script');
    expect(await refusal('none')).toMatch(/^SCRIPT_REFUSED .*no such file/i);
    expect(await refusal('folder')).toBe('SCRIPT_REFUSED it is no file');
    expect(await refusal('text')).toBe('SCRIPT_REFUSED it cannot be executed');
    await expect(findTrustedScript(undefined, 'ledger', 'plans.scripts')).rejects.toMatchObject({
      code: 'SCRIPT_REFUSED',
      remedy: 'name one in the setting plans.scripts',
    });
  });

  it('is refused where others can change it, or put another one in its place, wherever on the way', async () => {
    for (const at of [path.join(scripts, 'ledger'), scripts, folder]) {
      await chmod(at, 0o777);
      expect(await refusal('ledger')).toBe(`SCRIPT_REFUSED ${at} can be written by others (mode 777)`);
      await chmod(at, 0o755);
    }
    expect(await refusal('ledger')).toBe('none');
    const elsewhere = await mkdtemp('/tmp/holdfast-trusted-');
    try {
      await writeFile(path.join(elsewhere, 'tool'), '#!/bin/sh\n', { mode: 0o755 });
      await symlink(path.join(elsewhere, 'tool'), path.join(scripts, 'link'));
      expect(await refusal('link')).toMatch(/^SCRIPT_REFUSED \/tmp can be written by others/);
    } finally {
      await rm(elsewhere, { recursive: true });
    }
  });

  it.unless(process.getuid?.() === 0 ? undefined : 'not root', 'is refused where it belongs to somebody else', async () => {
    for (const at of [path.join(scripts, 'ledger'), folder]) {
      await chown(at, 65534, 65534);
      expect(await refusal('ledger')).toBe(`SCRIPT_REFUSED ${at} belongs to user 65534`);
      await chown(at, 0, 0);
    }
  });
});
