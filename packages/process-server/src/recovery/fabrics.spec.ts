import type { Fabric, FabricFinding } from '@holdfast/fabric';
import { createFabrics } from './fabrics.ts';

const fabric = (check: () => Promise<FabricFinding[]>): Fabric => ({ kind: 'qemu', check }) as unknown as Fabric;
const NO_KVM: FabricFinding = { name: 'acceleration', level: 'warning', message: 'no KVM', remedy: 'switch it on' };

describe('what a fabric is able to do', () => {
  it('is told with what it has, warnings too', async () => {
    const there: FabricFinding = { name: 'qemu', level: 'good', message: 'QEMU 7.2' };
    expect(await createFabrics([fabric(async () => [there, NO_KVM])]).check()).toEqual([
      { name: 'qemu', ready: true, detail: 'QEMU 7.2; no KVM' },
    ]);
  });

  it('is told with what is missing alone, and what to do about that', async () => {
    const missing: FabricFinding = { name: 'qemu', level: 'error', message: 'QEMU is not installed', remedy: 'install it' };
    expect(await createFabrics([fabric(async () => [NO_KVM, missing])]).check()).toEqual([
      { name: 'qemu', ready: false, detail: 'QEMU is not installed (install it)' },
    ]);
  });

  it('is nothing when it cannot be looked at', async () => {
    const [report] = await createFabrics([fabric(() => Promise.reject(new Error('no such host')))]).check();
    expect(report).toMatchObject({ ready: false, detail: expect.stringContaining('no such host') });
  });
});
