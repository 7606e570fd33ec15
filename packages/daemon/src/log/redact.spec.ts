import fc from 'fast-check';
import { redactFields, redactText } from './redact.ts';

describe('redactText', () => {
  it.each<[string, string, string]>([
    ['a SAS URL', 'GET https://a.blob.core.windows.net/c/b?sv=2024-11-04&sp=r&sig=aB%2Bc%3D&se=2026 failed', 'aB%2Bc%3D'],
    ['a SAS whose signature comes first', '?sig=SECRETX&sv=1', 'SECRETX'],
    ['a bare SAS', 'sig=SECRETX&sv=1', 'SECRETX'],
    ['a URL within a URL', 'https://x/?u=https%3A%2F%2Fa%3Fsv%3D1%26sig%3DSECRETX', 'SECRETX'],
    ['a bearer token', 'authorization: Bearer abc.DEF-123_~+/=', 'abc.DEF-123'],
    ['a bearer token in small letters', 'bearer SECRETX012', 'SECRETX'],
    ['basic authentication', 'Authorization: Basic dXNlcjpwYXNz', 'dXNlcjpwYXNz'],
    ['a connection string', 'DefaultEndpointsProtocol=https;AccountName=a;AccountKey=SECRETX==;EndpointSuffix=core.windows.net', 'SECRETX'],
    ['a connection string with a SAS', 'BlobEndpoint=https://a;SharedAccessSignature=sv=1&sig=SECRETX', 'SECRETX'],
    ['a shared key', 'Authorization: SharedKey account:SECRETX/abc=', 'SECRETX'],
    ['a password in a URL', 'postgres://holdfast:SECRETX@db.example:5432/x', 'SECRETX'],
    ['a private key', '-----BEGIN PRIVATE KEY-----\nSECRETX\n-----END PRIVATE KEY-----', 'SECRETX'],
    ['the beginning of a private key', 'x -----BEGIN EC PRIVATE KEY-----\nSECRETX', 'SECRETX'],
    ['a JSON web token', 'got eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.SECRETX back', 'SECRETX'],
  ])('takes the secret out of %s', (_what, text, secret) => {
    expect(text).toContain(secret);
    expect(redactText(text)).not.toContain(secret);
    expect(redactText(text)).toContain('[redacted]');
  });

  it.each([
    'cut 0f3a journaled in 12 ms',
    'https://a.blob.core.windows.net/container/m/0f3a/log/12?comp=block',
    'design=good&signal=SIGTERM',
    'the bearer of this',
    '[DEVICE_NOT_FOUND] /dev/sdb: it is gone; attach it',
    'http://127.0.0.1:9464/healthz',
  ])('leaves %j alone', (text) => {
    expect(redactText(text)).toBe(text);
  });

  it('ends for any text, and what is clean stays clean', () => {
    fc.assert(fc.property(fc.string({ maxLength: 2000 }), (text) => redactText(redactText(text)) === redactText(text)));
    const long = `${'a://'.repeat(20_000)}${'sig='.repeat(20_000)}${'eyJ'.repeat(20_000)}${'-----BEGIN PRIVATE KEY-----'.repeat(1000)}`;
    const started = performance.now();
    redactText(long);
    expect(performance.now() - started).toBeLessThan(10_000);
  });
});

describe('redactFields', () => {
  it('hides what is named like a secret, at any depth and whatever it is', () => {
    const fields = {
      token: 'SECRETX',
      apiToken: 'SECRETX',
      'account-password': 'SECRETX',
      nested: [{ passphrase: { inner: 'SECRETX' }, connectionString: 'SECRETX', rootKey: new Uint8Array(3) }],
      headers: { Authorization: ['SECRETX'] },
      tokens: 3,
      keyFile: '/etc/key',
      absent: { secret: undefined },
    };
    const shown = redactFields(fields);
    expect(JSON.stringify(shown)).not.toContain('SECRETX');
    expect(shown).toMatchObject({ tokens: 3, keyFile: '/etc/key', nested: [{ rootKey: '[redacted]' }] });
  });

  it('makes JSON of anything', () => {
    const circle: Record<string, unknown> = { n: 1n, bytes: new Uint8Array(5), date: new Date(0), list: Array(1000).fill(1) };
    circle['self'] = circle;
    const shown = redactFields(circle);
    expect(() => JSON.stringify(shown)).not.toThrow();
    expect(shown).toMatchObject({ n: '1', bytes: '[5 bytes]', date: '1970-01-01T00:00:00.000Z' });
  });
});
