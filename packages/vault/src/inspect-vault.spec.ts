import { inspectVault } from './inspect-vault.ts';
import { openLogWriter } from './log-writer.ts';
import { controlAddressesName, controlAddressesPrefix } from './object-names.ts';
import { createTestVault } from './testing/open-test-vault.ts';
import { SimulatedSource } from './testing/simulated-source.ts';

describe('inspecting a vault', () => {
  it('counts what is in it and names what does not belong there', async () => {
    const source = new SimulatedSource([64 * 1024]);
    const vault = await createTestVault(source);
    const writer = await openLogWriter(vault, source.machineId);
    source.write(source.disks[0]!, 0, 2, 1);
    await writer.append((await source.cut()).content);
    await writer.close();
    await vault.store.create('holiday.jpg', Buffer.from('x'));
    await vault.store.create(controlAddressesName('ab'.repeat(32), 1), Buffer.from('{}'));
    await vault.store.create(`${controlAddressesPrefix('nobody')}1`, Buffer.from('{}'));
    const all: number[] = [];
    for await (const { size } of vault.store.list('')) all.push(size);

    const inspection = await inspectVault(vault);
    expect(inspection).toMatchObject({
      keySlots: [{ id: expect.stringMatching(/^[0-9a-f]{32}$/), kind: 'key-file' }],
      machines: [{ machineId: source.machineId, dataKeys: 1, terms: writer.term, slots: writer.head.sequence + 1 }],
      objects: all.length,
      bytes: all.reduce((sum, size) => sum + size),
      strangers: ['control/addresses/nobody/1', 'holiday.jpg'],
    });
    expect(inspection.machines[0]!.slotBytes).toBeLessThan(inspection.machines[0]!.bytes);
    expect(JSON.stringify(inspection)).not.toContain('07'.repeat(8));
  });

  it('names a damaged key slot and goes on', async () => {
    const vault = await createTestVault(new SimulatedSource([]));
    await vault.store.create('keys/00000000000000000000000000000001', Buffer.alloc(208, 1));
    const { keySlots } = await inspectVault(vault);
    expect(keySlots[0]).toMatchObject({ damage: { code: 'DAMAGED', object: 'keys/00000000000000000000000000000001' } });
    expect(keySlots[1]).toMatchObject({ kind: 'key-file' });
  });
});
