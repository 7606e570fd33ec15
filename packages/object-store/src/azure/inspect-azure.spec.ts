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
      else response.writeHead(method === 'PUT' ? 201 : method === 'DELETE' ? 202 : 200, method === 'DELETE' ? {} : blob).end();
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
    });
    // Nothing of its own is left.
    const [put, remove] = ['PUT', 'DELETE'].map((method) => service.seen.filter((request) => request.method === method));
    expect(remove!.map(({ path }) => path)).toEqual(put!.map(({ path }) => path));
    expect(put).toHaveLength(1);
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

  it('is not known where the credential may not see it, and nothing fails', async () => {
    service.answer(sayError(403, 'AuthorizationPermissionMismatch', 'not allowed'));
    const outcomes = Object.values(await told());
    expect(outcomes).toHaveLength(4);
    for (const outcome of outcomes) expect(outcome).toMatch(/^unknown: \[NO_PERMISSION\]/);
  });
});
