import type { HoldfastError } from '@holdfast/errors';
import { type HiddenObject, restoreLocked } from './restore-locked.ts';
import { type ScriptedService, sayError, startScriptedService } from './testing/scripted-service.ts';

const key = Buffer.alloc(64, 9).toString('base64');
const DAY = 24 * 3_600_000;

describe('what is locked and hidden', () => {
  let service: ScriptedService;
  beforeEach(async () => {
    service = await startScriptedService();
  });
  afterEach(() => service.close());

  const version = (name: string, id: string, more: { current?: boolean; days?: number; mode?: string; md5?: string } = {}): string => {
    const { current = false, days, mode = 'locked', md5 = 'AAAAAAAAAAAAAAAAAAAAAA==' } = more;
    const policy =
      days === undefined
        ? ''
        : `<ImmutabilityPolicyUntilDate>${new Date(Date.now() + days * DAY).toUTCString()}</ImmutabilityPolicyUntilDate><ImmutabilityPolicyMode>${mode}</ImmutabilityPolicyMode>`;
    const own = current ? '<IsCurrentVersion>true</IsCurrentVersion>' : '';
    return `<Blob><Name>${name}</Name><VersionId>${id}</VersionId>${own}<Properties><Content-Length>7</Content-Length><Content-MD5>${md5}</Content-MD5>${policy}</Properties></Blob>`;
  };
  const serve = (versions: readonly string[], status = 'success'): void =>
    service.answer(({ method }, response) => {
      if (method === 'PUT') return response.writeHead(202, { 'x-ms-copy-id': 'c', 'x-ms-copy-status': status }).end();
      if (method === 'HEAD') return response.writeHead(200, { 'x-ms-copy-id': 'c', 'x-ms-copy-status': status }).end();
      response.writeHead(200, { 'content-type': 'application/xml' });
      return response.end(
        `<?xml version="1.0" encoding="utf-8"?><EnumerationResults><Blobs>${versions.join('')}</Blobs><NextMarker/></EnumerationResults>`,
      );
    });
  const restore = async (dryRun = false): Promise<HiddenObject[]> => {
    const found: HiddenObject[] = [];
    for await (const one of restoreLocked({ url: service.url, credential: { kind: 'key', key }, dryRun })) found.push(one);
    return found;
  };
  const copies = () =>
    service.seen
      .filter(({ method }) => method === 'PUT')
      .map(({ path, headers }) => [path, new URL(String(headers['x-ms-copy-source'])).search]);

  it('is made the current version again, deleted or overwritten; nothing else is touched', async () => {
    serve([
      // Deleted; its keeper gave it up, or its lock has ended; it is there; it is back from an earlier run.
      version('m/a', '1', { days: 3 }),
      version('m/b', '1'),
      version('m/c', '1', { days: -1 }),
      version('m/d', '1', { days: 3, current: true }),
      version('m/e', '1', { days: 3 }),
      version('m/e', '2', { current: true }),
      // Overwritten, twice; and a policy that anybody takes back.
      version('m/f', '1', { days: 2 }),
      version('m/f', '2', { md5: 'AQAAAAAAAAAAAAAAAAAAAA==' }),
      version('m/f', '3', { md5: 'AQAAAAAAAAAAAAAAAAAAAA==', current: true }),
      version('m/g', '1', { days: 2, mode: 'unlocked' }),
    ]);
    expect((await restore(true)).map(({ name }) => name)).toEqual(['m/a', 'm/f']);
    expect(copies()).toEqual([]);
    const found = await restore();
    expect(found).toMatchObject([
      { name: 'm/a', size: 7, isOverwritten: false },
      { name: 'm/f', size: 7, isOverwritten: true },
    ]);
    expect(found[0]!.lockedUntil).toBeGreaterThan(Date.now() + 2 * DAY);
    expect(copies()).toEqual([
      ['/acme/vault/m/a', '?versionid=1'],
      ['/acme/vault/m/f', '?versionid=1'],
    ]);
    expect(service.seen[0]!.path).toMatch(/include=[^&]*versions/);
  });

  it('is told by name where it does not come back', async () => {
    serve([version('m/a', '1', { days: 3 })], 'failed');
    await expect(restore()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', thing: expect.stringContaining('m/a') });
    service.answer(sayError(403, 'AuthorizationPermissionMismatch', 'not allowed'));
    const failure = await restore().catch((reason: HoldfastError) => reason);
    expect(failure).toMatchObject({ code: 'NO_PERMISSION' });
  });
});
