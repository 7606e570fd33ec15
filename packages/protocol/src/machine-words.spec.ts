import { parseMachineNetwork, parseMachineSize } from './machine-words.ts';

describe('a size', () => {
  it('is processors and memory, or that of the source', () => {
    expect(parseMachineSize('4x8GiB')).toEqual({ cpus: 4, memoryBytes: 8 * 1024 ** 3 });
    expect(parseMachineSize('1x512MiB')).toEqual({ cpus: 1, memoryBytes: 512 * 1024 ** 2 });
    for (const text of ['', 'same']) expect(parseMachineSize(text)).toBe('as source');
  });

  it.each(['big', '0x1GiB', '2x0GiB', '2x1TB', '4X8GiB', ' 4x8GiB', '4x8GiB\n', '1000x1GiB'])('is not %j', (text) => {
    expect(parseMachineSize(text)).toBeUndefined();
  });
});

describe('a network', () => {
  it('is isolated, none, or a bridge', () => {
    for (const text of ['', 'isolated']) expect(parseMachineNetwork(text)).toEqual({ kind: 'isolated' });
    expect(parseMachineNetwork('none')).toEqual({ kind: 'none' });
    for (const text of ['br-dr', 'bridge:br-dr']) expect(parseMachineNetwork(text)).toEqual({ kind: 'bridge', bridge: 'br-dr' });
  });

  it.each(['a b', 'a-name-that-no-bridge-has', 'bridge:', '-br', '../br0'])('is not %j', (text) => {
    expect(parseMachineNetwork(text)).toBeUndefined();
  });
});
