import { createTestAuthority } from '@holdfast/protocol/conformance';
import fc from 'fast-check';
import { encodeWhereabouts, readWhereabouts, tellable, type Whereabouts, whereaboutsText } from './whereabouts.ts';

const told: Whereabouts = { addresses: ['control.example:443', '[2001:db8::1]:8443'], made: 1_800_000_000_000 };

describe('where a configuration server is', () => {
  let authority: Awaited<ReturnType<typeof createTestAuthority>>;
  let content: Uint8Array;
  beforeAll(async () => {
    authority = await createTestAuthority();
    content = encodeWhereabouts(told, await authority.sign(whereaboutsText(told)));
  });

  it('is read by who trusts the authority that signed it, among others', async () => {
    const other = await createTestAuthority();
    expect(readWhereabouts(content, `${other.certificate}\n${authority.certificate}`)).toEqual({
      ...told,
      authority: authority.fingerprint,
    });
    expect(() => readWhereabouts(content, other.certificate)).toThrow('CERTIFICATE_UNTRUSTED');
  });

  it('counts for nothing once anything of it was changed', () => {
    const value = JSON.parse(Buffer.from(content).toString()) as Record<string, unknown>;
    for (const change of [
      { addresses: ['evil.example:443'] },
      { addresses: [] },
      { made: told.made + 1 },
      // The same text, divided in another way.
      { addresses: [told.addresses.join('\n')] },
    ]) {
      const changed = Buffer.from(JSON.stringify({ ...value, ...change }));
      expect(() => readWhereabouts(changed, authority.certificate)).toThrow(/CERTIFICATE_UNTRUSTED|DAMAGED/);
    }
    fc.assert(
      fc.property(fc.nat({ max: content.length * 8 - 1 }), (bit) => {
        const flipped = Uint8Array.from(content);
        flipped[bit >> 3]! ^= 1 << (bit & 7);
        let read: Whereabouts | undefined;
        try {
          read = readWhereabouts(flipped, authority.certificate);
        } catch (error) {
          expect(String(error)).toMatch(/CERTIFICATE_UNTRUSTED|DAMAGED/);
        }
        // Bits that JSON or base64 do not look at change nothing.
        if (read !== undefined) expect(read).toMatchObject(told);
      }),
    );
  });

  it('is refused as damaged when it is anything else', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 200 }),
          fc.json().map((text) => Buffer.from(text)),
        ),
        (bytes) => {
          expect(() => readWhereabouts(bytes, authority.certificate)).toThrow('DAMAGED');
        },
      ),
    );
    expect(() => readWhereabouts(new Uint8Array(5000), authority.certificate)).toThrow('too large');
  });

  it('tells no more addresses than others read', () => {
    expect(tellable(Array.from({ length: 20 }, (_, index) => `h${index}:443`))).toHaveLength(8);
    expect(tellable([`${'h'.repeat(400)}:443`, 'x:443'])).toEqual(['x:443']);
  });
});
