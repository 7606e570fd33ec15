import { create } from '@bufbuild/protobuf';
import { RecoveryTargetSchema } from '@holdfast/protocol';
import { machineTarget } from './machine-target.ts';

const target = (fields: object, isTest = false) => machineTarget(create(RecoveryTargetSchema, fields), isTest);

describe('what a target means', () => {
  it('is isolated and as the source unless something is said', () => {
    expect(target({})).toEqual({ network: { kind: 'isolated' }, hardware: {} });
    expect(target({ network: 'br0', size: 'same' }, true)).toEqual({ network: { kind: 'isolated' }, hardware: {} });
  });

  it('is a bridge, nothing, and a size', () => {
    for (const network of ['br-dr', 'bridge:br-dr']) expect(target({ network }).network).toEqual({ kind: 'bridge', bridge: 'br-dr' });
    expect(target({ testNetwork: 'none', size: '4x8GiB' }, true)).toEqual({
      network: { kind: 'none' },
      hardware: { cpus: 4, memoryBytes: 8 * 1024 ** 3 },
    });
  });

  it.each([{ network: 'a b' }, { network: 'a-name-that-no-bridge-has' }, { size: 'big' }, { size: '0x1GiB' }, { size: '2x1TB' }])(
    'is refused by name: %j',
    (fields) => {
      expect(() => target(fields)).toThrow(expect.objectContaining({ code: 'SETTING_INVALID' }));
    },
  );
});
