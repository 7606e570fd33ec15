import { chmod, chown, mkdir, mkdtemp, open, readdir, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { storeIdentity } from '../membership/identity-file.ts';
import type { StoredIdentity } from '../membership/stored-identity.ts';
import { asOwnerOf } from './as-owner-of.ts';
import { syncDirectory } from './sync-directory.ts';

const SERVICE = 65534;

describe.unless(lacks('root'), 'root at work in the directory of a service', () => {
  let directory: string;
  let state: string;
  let elsewhere: string;
  beforeEach(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'holdfast-owner-'));
    await chmod(directory, 0o755);
    [state, elsewhere] = [path.join(directory, 'state'), path.join(directory, 'elsewhere')];
    for (const one of [state, elsewhere]) await mkdir(one, { mode: 0o755 });
    await chown(state, SERVICE, SERVICE);
  });
  afterEach(() => rm(directory, { recursive: true }));

  const identity = { server: { host: 'a', port: 1 }, key: 'k' } as unknown as StoredIdentity;
  /** The service puts a link in the place of the directory, behind the look at it. */
  const withLink = async (): Promise<void> => {
    const place = path.join(state, 'identity');
    let isSwapped = false;
    const swapping: typeof open = async (file, ...rest) => {
      if (!isSwapped && String(file).endsWith('.new')) {
        isSwapped = true;
        await rename(place, `${place}.away`);
        await symlink(elsewhere, place);
      }
      return open(file, ...rest);
    };
    await storeIdentity(state, identity, { mkdir, open: swapping, rename, syncDirectory });
  };

  it('writes nowhere but where the service may, whatever that puts in its way', async () => {
    await expect(asOwnerOf(state, withLink)).rejects.toMatchObject({ code: 'NO_PERMISSION' });
    expect(await readdir(elsewhere)).toEqual([]);
    expect([process.geteuid!(), process.getegid!(), process.getgroups!().includes(SERVICE)]).toEqual([0, 0, false]);
  });

  it('would write elsewhere as root', async () => {
    await withLink();
    expect(await readdir(elsewhere)).toEqual(['identity.json']);
  });

  it('leaves what it writes to the service, and is root again when that is done', async () => {
    await asOwnerOf(state, () => storeIdentity(state, identity));
    expect((await stat(path.join(state, 'identity', 'identity.json'))).uid).toBe(SERVICE);
    await writeFile(path.join(elsewhere, 'a'), 'root');
    expect((await stat(path.join(elsewhere, 'a'))).uid).toBe(0);
    await asOwnerOf(elsewhere, () => writeFile(path.join(elsewhere, 'b'), 'root'));
    expect((await stat(path.join(elsewhere, 'b'))).uid).toBe(0);
  });
});
