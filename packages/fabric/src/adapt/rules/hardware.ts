import type { DiskController, NetworkModel } from '../../machine-shape.ts';
import { DISK_CONTROLLERS, NETWORK_MODELS } from '../../machine-shape.ts';
import type { Guest, PlanItem } from '../guest.ts';
import { kernelArguments, readBootConfigs } from '../inspect/kernel-arguments.ts';
import type { Kernel } from '../inspect/kernels.ts';
import { resolveDevice } from './resolve-device.ts';

/** What a kernel needs before it sees the root. */
const DISK_DRIVERS: Readonly<Record<DiskController, readonly string[]>> = {
  virtio: ['virtio_pci', 'virtio_blk'],
  scsi: ['virtio_pci', 'virtio_scsi', 'sd_mod'],
  nvme: ['nvme'],
  sata: ['ahci', 'sd_mod'],
  pvscsi: ['vmw_pvscsi', 'sd_mod'],
};

const NETWORK_DRIVERS: Readonly<Record<NetworkModel, readonly string[]>> = {
  virtio: ['virtio_net'],
  e1000e: ['e1000e'],
  e1000: ['e1000'],
  vmxnet3: ['vmxnet3'],
};

/** Names a kernel gives to disks behind a controller. */
const NAMES: Readonly<Record<DiskController, RegExp>> = { virtio: /^vd/, scsi: /^sd/, sata: /^sd/, pvscsi: /^sd/, nvme: /^nvme/ };

export interface HardwareChoice {
  readonly controller: DiskController | undefined;
  readonly networkModel: NetworkModel | undefined;
  readonly items: readonly PlanItem[];
}

/**
 * The fastest controller and card that every kernel of the machine can drive; of disks, that its newest can drive when no one fits all. An initramfs without a
 * driver is never made anew here: programs out of the machine would have to run as root on this host.
 */
export const chooseHardware = async (guest: Guest): Promise<HardwareChoice> => {
  const { kernels } = guest;
  const items: PlanItem[] = [];
  const told = kernels.filter(({ early }) => early !== undefined);
  for (const { image, why } of kernels) if (why !== undefined) items.push(left(`drivers of ${image} are not known: ${why}`));
  if (told.length === 0) {
    items.push({
      area: 'controller',
      kind: 'left',
      finding: kernels.length === 0 ? 'no kernel was found' : 'what its kernels can drive is not known',
      why: 'the controller is not chosen by that',
    });
    return { controller: undefined, networkModel: undefined, items };
  }
  const fixed = await fixedNames(guest);
  const fits = (kernel: Kernel, controller: DiskController): boolean =>
    (fixed === undefined || NAMES[controller].test(fixed)) && DISK_DRIVERS[controller].every((driver) => kernel.early!.has(driver));
  const forAll = DISK_CONTROLLERS.find((one) => told.every((kernel) => fits(kernel, one)));
  const controller = forAll ?? DISK_CONTROLLERS.find((one) => fits(told[0]!, one));
  items.push(controllerItem(guest, told, controller, fixed));
  const networkModel = NETWORK_MODELS.find((one) =>
    told.every(({ early, late }) => NETWORK_DRIVERS[one].every((driver) => late.has(driver) || early!.has(driver))),
  );
  if (networkModel === undefined) items.push(left('none of the network cards there are can be driven by all of its kernels'));
  return { controller, networkModel, items };
};

const left = (finding: string): PlanItem => ({
  area: 'controller',
  kind: 'left',
  finding,
  why: 'hardware is chosen by what kernels can drive',
});

const controllerItem = (
  { system }: Guest,
  kernels: readonly Kernel[],
  controller: DiskController | undefined,
  fixed: string | undefined,
): PlanItem => {
  const versions = kernels.map(({ version, image }) => version || image).join(', ');
  if (controller === undefined)
    return {
      area: 'controller',
      kind: 'trouble',
      finding: `${versions}: no controller there is can be driven before the root is found${fixed === undefined ? '' : ` and calls its disk ${fixed}`}`,
      why: `make its initramfs with more drivers on the source (${system.id === 'debian' || system.id === 'ubuntu' ? 'MODULES=most, update-initramfs -u' : 'dracut --no-hostonly'})`,
    };
  const lacking = DISK_CONTROLLERS.slice(0, DISK_CONTROLLERS.indexOf(controller)).flatMap((one) => {
    const drivers = DISK_DRIVERS[one].filter((driver) => kernels.some(({ early }) => !early!.has(driver)));
    return drivers.length === 0 ? [] : [`${one} (${drivers.join(', ')})`];
  });
  const named = fixed === undefined ? '' : `, and calls its disk ${fixed} as the machine does`;
  return {
    area: 'controller',
    kind: lacking.length > 0 ? 'change' : 'good',
    finding: `${versions} can drive ${controller} before the root is found${named}${lacking.length > 0 ? `, and cannot drive ${lacking.join(', ')}` : ''}`,
    ...(lacking.length > 0 && { change: `its disks hang on ${controller}` }),
    why: 'a kernel that cannot drive the controller of its disk finds no root',
  };
};

/** The name its root has to keep: that of a machine whose own initramfs understands no other. */
const fixedNames = async (guest: Guest): Promise<string | undefined> => {
  if (!guest.kernels.some(({ maker }) => maker === 'other')) return undefined;
  for (const config of await readBootConfigs(guest.tree))
    for (const args of config.effective ? kernelArguments(config) : [])
      for (const arg of args) {
        const spec = /^root=(\/dev\/[^/]+)$/.exec(arg)?.[1];
        if (spec !== undefined && resolveDevice(guest, spec).kind !== 'stable') return spec.replace('/dev/', '');
      }
  return undefined;
};
