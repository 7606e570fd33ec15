import type { PlanItem, Rule } from '../guest.ts';
import type { StagedTree } from '../tree/staged-tree.ts';

const REMOVABLE = '/EFI/BOOT';
const WHY =
  'which file the firmware starts was told in the memory of the source’s board; a new machine looks for EFI/BOOT/BOOTX64.EFI only';

/** Firmware finds something to start. */
export const bootloaderRule: Rule = async ({ esp, target }) => {
  if (target.firmware !== 'uefi') return [];
  const trouble = (finding: string): PlanItem[] => [{ area: 'bootloader', kind: 'trouble', finding, why: WHY }];
  if (esp === undefined) return trouble('no partition that UEFI firmware starts from is among the disks');
  if ((await esp.kind(`${REMOVABLE}/BOOTX64.EFI`)) === 'file')
    return [{ area: 'bootloader', kind: 'good', finding: 'EFI/BOOT/BOOTX64.EFI is there', why: WHY }];
  for (const vendor of await esp.list('/EFI')) {
    if (vendor.toUpperCase() === 'BOOT') continue;
    const copied = await copyLoader(esp, `/EFI/${vendor}`);
    if (copied !== undefined)
      return [
        {
          area: 'bootloader',
          kind: 'change',
          finding: `the firmware was told to start EFI/${vendor}/${copied}`,
          change: `copied to EFI/BOOT, ${copied} as BOOTX64.EFI`,
          why: WHY,
        },
      ];
  }
  return trouble('no boot loader that is known is on the partition of the firmware');
};

/** What a loader needs beside it. */
const BESIDE = ['grubx64.efi', 'mmx64.efi', 'grub.cfg'];
const LARGEST = 32 * 1024 * 1024;

const copyLoader = async (esp: StagedTree, from: string): Promise<string | undefined> => {
  const names = await esp.list(from);
  const find = (wanted: string): string | undefined => names.find((name) => name.toLowerCase() === wanted);
  const loader = find('shimx64.efi') ?? find('grubx64.efi') ?? find('systemd-bootx64.efi');
  const content = loader && (await esp.read(`${from}/${loader}`, LARGEST));
  if (!loader || !content) return undefined;
  await esp.write(`${REMOVABLE}/BOOTX64.EFI`, content);
  for (const wanted of BESIDE) {
    const name = find(wanted);
    const beside = name && (await esp.read(`${from}/${name}`, LARGEST));
    if (beside) await esp.write(`${REMOVABLE}/${name}`, beside);
  }
  return loader;
};
