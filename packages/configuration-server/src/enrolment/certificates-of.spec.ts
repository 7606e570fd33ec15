import type { CertificateRecord, MemberRecord } from '../records/kinds.ts';
import { withIssued, withShown } from './certificates-of.ts';

const member = (certificates: readonly CertificateRecord[]): MemberRecord => ({
  role: 'agent',
  hardware: { productUuid: '', productSerial: '', macAddresses: [], machineId: '' },
  incarnation: 1,
  certificates,
  endpoints: [],
});
const serials = (certificates: readonly CertificateRecord[]): string[] => certificates.map(({ serial }) => serial);

describe('certificates of a member', () => {
  it('whose answers were lost go before the one it uses, however many were lost', () => {
    let certificates: readonly CertificateRecord[] = [{ serial: 'in-use', notAfter: 100, seen: true }];
    const gone: string[] = [];
    for (let number = 0; number < 30; number += 1) {
      const result = withIssued(member(certificates), { serial: `lost-${number}`, notAfter: 200 + number, seen: false }, 'in-use');
      certificates = result.kept;
      gone.push(...serials(result.gone));
    }
    expect(serials(certificates)).toContain('in-use');
    expect(certificates).toHaveLength(8);
    expect(gone).not.toContain('in-use');
    expect(serials(certificates).at(-1)).toBe('lost-29');
  });

  it('are marked once they are shown; one that is not known is added', () => {
    const before = member([
      { serial: 'a', notAfter: 1 },
      { serial: 'b', notAfter: 2, seen: false },
    ]);
    expect(withShown(before, { serial: 'a', notAfter: 1 })).toBe(before);
    expect(withShown(before, { serial: 'b', notAfter: 2 }).certificates).toEqual([
      { serial: 'a', notAfter: 1 },
      { serial: 'b', notAfter: 2, seen: true },
    ]);
    expect(serials(withShown(before, { serial: 'c', notAfter: 3 }).certificates)).toEqual(['a', 'b', 'c']);
  });
});
