import fc from 'fast-check';
import type { HardwareIdentity } from './member.ts';
import { sameHardware } from './same-hardware.ts';

const unknown: HardwareIdentity = { productUuid: '', productSerial: '', macAddresses: [], machineId: '' };
const machine: HardwareIdentity = {
  productUuid: 'd3b0',
  productSerial: 'S1',
  macAddresses: ['52:54:00:00:00:01', '52:54:00:00:00:02'],
  machineId: 'a'.repeat(32),
};
const card = { macAddresses: ['52:54:00:00:00:99'] };
const system = { machineId: 'b'.repeat(32) };

describe('sameHardware', () => {
  it.each<[string, Partial<HardwareIdentity>, Partial<HardwareIdentity>, boolean]>([
    ['nothing differs', {}, {}, true],
    ['another product UUID', {}, { productUuid: 'e4c1' }, false],
    ['the same UUID in capital letters', {}, { productUuid: 'D3B0' }, true],
    ['a network card was replaced', {}, card, true],
    ['the system was installed anew on the same board', {}, system, true],
    ['another serial number where a UUID is unknown', {}, { productUuid: '', productSerial: 'S2' }, false],
    ['the same serial number, another card', { productUuid: '' }, card, true],
    ['a copied disk in another machine without SMBIOS', { productUuid: '', productSerial: '' }, card, false],
    ['one card in common', { productUuid: '', productSerial: '' }, { macAddresses: ['52:54:00:00:00:02'] }, true],
    ['another machine-id', { productUuid: '', productSerial: '' }, system, false],
    ['one that cannot read its SMBIOS', {}, { productUuid: '', productSerial: '' }, true],
    ['one that cannot read its SMBIOS, on another machine', {}, { productUuid: '', productSerial: '', ...system, ...card }, false],
  ])('%s', (_what, changeA, changeB, same) => {
    const [a, b] = [
      { ...machine, ...changeA },
      { ...machine, ...changeB },
    ];
    expect(sameHardware(a, b)).toBe(same);
    expect(sameHardware(b, a)).toBe(same);
  });

  it('is the same both ways, and for the machine itself', () => {
    const text = fc.constantFrom('', 'a', 'b');
    const any = fc.record({
      productUuid: text,
      productSerial: text,
      machineId: text,
      macAddresses: fc.uniqueArray(fc.constantFrom('52:54:00:00:00:01', '52:54:00:00:00:02')),
    });
    fc.assert(fc.property(any, any, (a, b) => sameHardware(a, a) && sameHardware(a, unknown) && sameHardware(a, b) === sameHardware(b, a)));
  });
});
