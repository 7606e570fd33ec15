import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BLOCK_SIZE } from '@holdfast/block';
import { createFolderStore } from '@holdfast/object-store';
import { checkMachine } from './check-machine.ts';
import { readMachine } from './read-machine.ts';
import { openVault } from './vault.ts';
import { openView } from './view.ts';

interface Expected {
  readonly keyFile: string;
  readonly passphrase: string;
  readonly vault: { readonly id: string; readonly name: string; readonly created: number };
  readonly machines: readonly {
    readonly id: string;
    readonly name: string;
    readonly head: { readonly sequence: number };
    readonly points: readonly {
      readonly id: string;
      readonly time: number;
      readonly manifestId: string;
      readonly disks: Record<string, { readonly size: number; readonly sha256: string; readonly unreadableBlocks: readonly number[] }>;
    }[];
  }[];
}

const FIXTURES = join(__dirname, '../fixtures');

describe.each(readdirSync(FIXTURES))('golden vault %s, as some release once wrote it', (release) => {
  const store = createFolderStore(join(FIXTURES, release, 'vault'));
  const expected: Expected = JSON.parse(readFileSync(join(FIXTURES, release, 'expected.json'), 'utf8'));
  const keyFile = { kind: 'key-file', secret: Buffer.from(expected.keyFile, 'hex') } as const;

  it('opens with passphrase and key file and names its machines', async () => {
    for (const key of [keyFile, { kind: 'passphrase', passphrase: expected.passphrase } as const]) {
      const { id, name, created, machines } = await openVault(store, key);
      expect({ id, name, created }).toEqual(expected.vault);
      expect((await machines()).map((machine) => [machine.id, machine.name])).toEqual(
        expected.machines.map((machine) => [machine.id, machine.name]),
      );
    }
  });

  it('holds every point, byte for byte, and nothing is found wrong', async () => {
    const vault = await openVault(store, keyFile);
    for (const machine of expected.machines) {
      const history = await readMachine(vault, machine.id);
      expect(history.head).toEqual(machine.head);
      expect(history.points.map(({ id, time }) => [id, time])).toEqual(machine.points.map(({ id, time }) => [id, time]));
      expect((await checkMachine(history)).findings).toEqual([]);
      for (const [index, { id, disks, manifestId }] of machine.points.entries()) {
        expect(history.points[index]!.manifest === undefined).toBe(manifestId === '');
        for (const [diskId, { size, sha256, unreadableBlocks }] of Object.entries(disks)) {
          const view = await openView(history, id, diskId);
          const content = Buffer.alloc(view.size);
          for (let offset = 0; offset < view.size; offset += BLOCK_SIZE) {
            const block = content.subarray(offset, offset + BLOCK_SIZE);
            if (unreadableBlocks.includes(offset / BLOCK_SIZE))
              await expect(view.read(offset, block)).rejects.toMatchObject({ code: 'UNREADABLE_EXTENT' });
            else await view.read(offset, block);
          }
          expect([view.size, createHash('sha256').update(content).digest('hex')]).toEqual([size, sha256]);
        }
      }
    }
  });
});
