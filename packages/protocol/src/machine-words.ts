/** What people write of the hardware and the network of a machine that is recovered on a process server (fabric qemu). */

/** Processors and memory. */
export interface MachineSize {
  readonly cpus: number;
  readonly memoryBytes: number;
}

/** Where a machine is plugged in: from `isolated` nothing gets out, `none` is no card at all. */
export type MachineNetwork = { readonly kind: 'isolated' | 'none' } | { readonly kind: 'bridge'; readonly bridge: string };

const SIZE = /^([1-9]\d{0,2})x([1-9]\d{0,5})(MiB|GiB)$/;
const BRIDGE = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$/;

/** "4x8GiB"; `as source` for "same" and "", undefined for what is no size. */
export const parseMachineSize = (text: string): MachineSize | 'as source' | undefined => {
  if (text === '' || text === 'same') return 'as source';
  const [, cpus, memory, unit] = SIZE.exec(text) ?? [];
  if (unit === undefined) return undefined;
  return { cpus: Number(cpus), memoryBytes: Number(memory) * (unit === 'GiB' ? 1024 : 1) * 1024 * 1024 };
};

/** "isolated" (and ""), "none", or a bridge: "br0", "bridge:br0"; undefined for what is none of these. */
export const parseMachineNetwork = (text: string): MachineNetwork | undefined => {
  if (text === '' || text === 'isolated') return { kind: 'isolated' };
  if (text === 'none') return { kind: 'none' };
  const bridge = text.replace(/^bridge:/, '');
  return BRIDGE.test(bridge) ? { kind: 'bridge', bridge } : undefined;
};
