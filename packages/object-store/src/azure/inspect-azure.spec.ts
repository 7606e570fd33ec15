import type { ServerResponse } from 'node:http';
import { inspectAzureContainer } from './inspect-azure.ts';
import { type ScriptedService, type SeenRequest, sayError, startScriptedService } from './testing/scripted-service.ts';

const key = Buffer.alloc(64, 9).toString('base64');

/** What the service says of itself and of the container: https://learn.microsoft.com/rest/api/storageservices/get-container-properties and its kin. */
interface Settings {
  readonly container: Readonly<Record<string, string>>;
  readonly blob: Readonly<Record<string, string>>;
  readonly softDelete: string;
  readonly account: Readonly<Record<string, string>>;
}

describe('what a container is set to', () => {
  let service: ScriptedService;
  beforeEach(async () => {
    service = await startScriptedService();
  });
  afterEach(() => service.close());

  const answerWith =
    ({ container, blob, softDelete, account }: Settings) =>
    ({ method, path }: SeenRequest, response: ServerResponse): void => {
      const query = new URLSearchParams(path.split('?')[1]);
      if (query.get('comp') === 'properties' && query.get('restype') === 'service') {
        response.writeHead(200, { 'content-type': 'application/xml' });
        response.end(
          `<?xml version="1.0" encoding="utf-8"?><StorageServiceProperties><DeleteRetentionPolicy>${softDelete}</DeleteRetentionPolicy></StorageServiceProperties>`,
        );
      } else if (query.get('restype') === 'account') response.writeHead(200, account).end();
      else if (query.get('restype') === 'container') response.writeHead(200, container).end();
      else
        response
          .writeHead(
            method === 'PUT' && query.get('comp') === null ? 201 : method === 'DELETE' ? 202 : 200,
            method === 'DELETE' ? {} : blob,
          )
          .end();
    };
  const told = async (): Promise<Record<string, string>> => {
    const checks = await inspectAzureContainer({ url: service.url, credential: { kind: 'key', key } });
    return Object.fromEntries(checks.map(({ name, outcome, detail }) => [name, `${outcome}: ${detail}`]));
  };

  it('is told with what it does to cost and to deleting', async () => {
    service.answer(
      answerWith({
        container: {
          'x-ms-has-immutability-policy': 'true',
          'x-ms-has-legal-hold': 'true',
          'x-ms-immutable-storage-with-versioning-enabled': 'true',
        },
        blob: { 'x-ms-version-id': '2026-11-22T00:00:00.0000000Z', 'x-ms-access-tier': 'Cool', 'x-ms-access-tier-inferred': 'true' },
        softDelete: '<Enabled>true</Enabled><Days>14</Days>',
        account: { 'x-ms-sku-name': 'Standard_GRS', 'x-ms-account-kind': 'StorageV2', 'x-ms-is-hns-enabled': 'true' },
      }),
    );
    expect(await told()).toEqual({
      immutability: expect.stringMatching(
        /^good: the container has a policy, the container has a legal hold, versions can be made immutable/,
      ),
      versioning: expect.stringMatching(/^unknown: on: what keepers delete stays as an older version, and is paid for/),
      tier: 'bad: Cool, of the account; the log of a vault belongs into Hot',
      'soft delete': expect.stringMatching(/^unknown: on: .* for 14 days/),
      account: 'unknown: Standard_GRS, StorageV2, hierarchical namespace: no versioning there',
      locks: 'bad: the version that was locked was deleted',
    });
    // Nothing of its own is left.
    const asked = (method: string): string[] => service.seen.flatMap((request) => (request.method === method ? [request.path] : []));
    const put = asked('PUT').filter((path) => !path.includes('comp='));
    expect(asked('DELETE')).toEqual(expect.arrayContaining(put));
    expect(put).toHaveLength(2);
  });

  it('is told where nothing is set', async () => {
    service.answer(
      answerWith({
        container: { 'x-ms-has-immutability-policy': 'false', 'x-ms-has-legal-hold': 'false' },
        blob: { 'x-ms-access-tier': 'Hot' },
        softDelete: '<Enabled>false</Enabled>',
        account: { 'x-ms-sku-name': 'Standard_LRS', 'x-ms-account-kind': 'StorageV2' },
      }),
    );
    expect(await told()).toEqual({
      immutability: 'unknown: none: who may delete can delete everything',
      versioning: 'good: off: what is deleted takes no room',
      tier: 'good: Hot; the log of a vault belongs into Hot',
      'soft delete': 'unknown: off: what is deleted is gone at once',
      account: 'unknown: Standard_LRS, StorageV2',
    });
  });

  describe('and what a lock is worth there', () => {
    const held = sayError(409, 'BlobImmutableDueToPolicy', 'This operation is not permitted as the blob is immutable due to a policy.');
    const isVersion = ({ path }: SeenRequest): boolean => path.includes('versionid=');
    const lockAt = async (
      remove: (request: SeenRequest, response: ServerResponse) => void,
      isThere = true,
    ): Promise<string | undefined> => {
      const settings = {
        container: { 'x-ms-immutable-storage-with-versioning-enabled': 'true' },
        blob: { 'x-ms-version-id': '2026-11-22T00:00:00.0000000Z' },
        softDelete: '<Enabled>false</Enabled>',
        account: {},
      };
      let locked = '';
      service.answer((request, response) => {
        const { method, path, headers } = request;
        if (path.includes('comp=immutabilityPolicies')) locked = path.split('?')[0]!;
        if (path.includes('comp=immutabilityPolicies')) expect(headers['x-ms-immutability-policy-mode']).toBe('Locked');
        if (method === 'DELETE' && path.startsWith(locked) && locked !== '') remove(request, response);
        else if (isVersion(request) && !isThere) sayError(404, 'BlobNotFound', 'no such blob')(request, response);
        else answerWith(settings)(request, response);
      });
      return (await told())['locks'];
    };
    const gone = (_: SeenRequest, response: ServerResponse): void => void response.writeHead(202).end();

    it('is tried: refused, or kept as an older version, or worth nothing', async () => {
      expect(await lockAt(held)).toMatch(/^good: deleting what is locked is refused; validate\//);
      expect(await lockAt((request, response) => (isVersion(request) ? held : gone)(request, response))).toMatch(
        /^good: deleting what is locked makes an older version of it/,
      );
      expect(await lockAt(gone)).toBe('bad: the version that was locked was deleted');
      expect(await lockAt(gone, false)).toBe('bad: what was locked was deleted, and no older version of it is there');
      expect(await lockAt(sayError(403, 'AuthorizationPermissionMismatch', 'not allowed'))).toMatch(/^unknown: \[NO_PERMISSION\]/);
    });
  });

  it('is not known where the credential may not see it, and nothing fails', async () => {
    service.answer(sayError(403, 'AuthorizationPermissionMismatch', 'not allowed'));
    const outcomes = Object.values(await told());
    expect(outcomes).toHaveLength(4);
    for (const outcome of outcomes) expect(outcome).toMatch(/^unknown: \[NO_PERMISSION\]/);
  });
});
