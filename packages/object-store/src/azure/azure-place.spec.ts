import { isPrivate, parseAzureUrl } from './azure-place.ts';

describe('the URL of an Azure store', () => {
  it.each([
    [
      'azure:https://acme.blob.core.windows.net/vault',
      { endpoint: 'https://acme.blob.core.windows.net', account: 'acme', container: 'vault', prefix: '' },
    ],
    [
      'azure:https://acme.blob.core.windows.net/vault/site-a/1',
      { endpoint: 'https://acme.blob.core.windows.net', account: 'acme', container: 'vault', prefix: 'site-a/1/' },
    ],
    [
      'azure:http://127.0.0.1:10000/devstoreaccount1/vault',
      { endpoint: 'http://127.0.0.1:10000/devstoreaccount1', account: 'devstoreaccount1', container: 'vault', prefix: '' },
    ],
    ['azure:https://[::1]:10000/one/vault/p', { endpoint: 'https://[::1]:10000/one', account: 'one', container: 'vault', prefix: 'p/' }],
  ])('%s', (url, place) => {
    expect(parseAzureUrl(url)).toEqual({ ...place, url });
  });

  it('is the same with a slash behind it', () => {
    expect(parseAzureUrl('azure:https://acme.blob.core.windows.net/vault/').url).toBe('azure:https://acme.blob.core.windows.net/vault');
  });

  it.each([
    'azure:',
    'azure:acme/vault',
    'azure:ftp://acme.blob.core.windows.net/vault',
    'https://acme.blob.core.windows.net/vault',
    'azure:https://acme.blob.core.windows.net',
    'azure:https://acme.blob.core.windows.net//vault',
    'azure:http://127.0.0.1:10000/devstoreaccount1',
    'azure:https://acme.blob.core.windows.net/va',
    'azure:https://acme.blob.core.windows.net/Vault',
    'azure:https://acme.blob.core.windows.net/va--ult',
    'azure:https://acme.blob.core.windows.net/$web',
    `azure:https://acme.blob.core.windows.net/${'v'.repeat(64)}`,
    'azure:https://acme.blob.core.windows.net/vault/.hidden',
    'azure:https://acme.blob.core.windows.net/vault/a//b',
    'azure:https://acme.blob.core.windows.net/vault/a%20b',
    'azure:https://acme.blob.core.windows.net/vault#part',
  ])('%s is refused', (url) => {
    expect(() => parseAzureUrl(url)).toThrow('SETTING_INVALID');
  });

  it.each([
    'azure:https://acme.blob.core.windows.net/vault?sv=2026&sig=SECRET',
    'azure:https://user:SECRET@acme.blob.core.windows.net/vault',
    'azure:https://acme.blob.core.windows.net/vault?sig=/SECRET@x',
    'https://user:SECRET@acme.blob.core.windows.net/vault?sig=SECRET',
  ])('a secret in it is refused and not repeated', (url) => {
    expect(() => parseAzureUrl(url)).toThrow('SETTING_INVALID');
    expect(() => parseAzureUrl(url)).not.toThrow('SECRET');
  });

  it('tells whether others can read what is sent', () => {
    const readable = (endpoint: string): boolean => !isPrivate(parseAzureUrl(`azure:${endpoint}/one/vault`));
    expect(
      ['https://10.0.0.1', 'http://127.0.0.1:1', 'http://127.1.2.3', 'http://[::1]:1', 'http://localhost:1'].map(readable),
    ).not.toContain(true);
    expect(['http://10.0.0.1', 'http://acme.blob.core.windows.net', 'http://127.example.com'].map(readable)).not.toContain(false);
  });
});
