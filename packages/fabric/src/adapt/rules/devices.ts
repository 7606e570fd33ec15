import type { Guest, PlanItem, Rule } from '../guest.ts';
import { readBootConfigs, withKernelArguments } from '../inspect/kernel-arguments.ts';
import { readText, wordsOf, writeText } from '../tree/guest-tree.ts';
import { resolveDevice, stableName } from './resolve-device.ts';

const WHY = 'the kernel gives such names in the order in which it finds disks, and finds others here';

/** Names of devices that hold on the source's hardware only: in fstab, crypttab, for the kernel, for hibernation. */
export const devicesRule: Rule = async (guest) => [
  ...(await tableItems(guest, '/etc/fstab', 0)),
  ...(await tableItems(guest, '/etc/crypttab', 1)),
  ...(await argumentItems(guest)),
  ...(await resumeItems(guest)),
];

/** Network file systems and such are no devices. */
const DEVICE = /^(\/dev\/|UUID=|LABEL=|PARTUUID=|PARTLABEL=)/;

const tableItems = async (guest: Guest, file: string, column: number): Promise<PlanItem[]> => {
  const text = await readText(guest.tree, file);
  if (text === undefined) return [];
  const items: PlanItem[] = [];
  const lines = text.split('\n').map((line) => {
    if (/^\s*(#|$)/.test(line)) return line;
    const words = wordsOf(line);
    const spec = words[column] ?? '';
    const place = file === '/etc/fstab' ? (words[1] ?? '') : words[0]!;
    const resolved = resolveDevice(guest, spec);
    if (resolved.kind === 'volume') {
      const name = stableName(resolved.volume);
      if (name !== undefined) {
        items.push({ area: 'devices', kind: 'change', finding: `${file}: ${place} is on ${spec}`, change: `${spec} -> ${name}`, why: WHY });
        return line.replace(spec, () => name);
      }
    }
    if (file === '/etc/fstab' && missing(guest, spec, resolved.kind) && !(words[3] ?? '').split(',').includes('nofail')) {
      const options = `${words[3] ?? 'defaults'},nofail`;
      items.push({
        area: 'devices',
        kind: 'change',
        finding: `${file}: ${place} is on ${spec}, which is not among the disks of the point`,
        change: `may be missing (nofail)`,
        why: 'a file system that is waited for in vain ends the start in an emergency shell',
      });
      return [...words.slice(0, 3), options, ...words.slice(4)].join('\t');
    }
    return line;
  });
  if (items.length > 0) await writeText(guest.tree, file, lines.join('\n'));
  return items;
};

/** True of a device that nothing of the point can be. */
const missing = ({ volumes }: Guest, spec: string, kind: string): boolean => {
  if (!DEVICE.test(spec)) return false;
  if (kind === 'unknown') return true;
  const [, tag = '', value = ''] = /^(UUID|PARTUUID)="?([^"]*)"?$/.exec(spec) ?? /^\/dev\/disk\/by-(uuid|partuuid)\/(.*)$/.exec(spec) ?? [];
  if (value === '') return false;
  // Behind containers that were not opened there may be anything.
  if (volumes.some(({ type }) => CONTAINERS.has(type))) return false;
  const field = tag.toUpperCase() === 'UUID' ? 'uuid' : 'partUuid';
  return !volumes.some((volume) => volume[field].toLowerCase() === value.toLowerCase());
};

const CONTAINERS: ReadonlySet<string> = new Set(['LVM2_member', 'linux_raid_member', 'crypto_LUKS', 'zfs_member', 'bcache']);

/** `root=/dev/sda1` and `resume=…` of kernels. */
const argumentItems = async (guest: Guest): Promise<PlanItem[]> => {
  const items: PlanItem[] = [];
  const seen = new Set<string>();
  for (const config of await readBootConfigs(guest.tree)) {
    const text = withKernelArguments(config, (args) =>
      args.map((arg) => {
        const [, key = '', spec = ''] = /^(root|resume)=(\/dev\/.+)$/.exec(arg) ?? [];
        const resolved = spec === '' ? undefined : resolveDevice(guest, spec);
        if (resolved === undefined || resolved.kind === 'stable') return arg;
        const item = argumentItem(guest, key, spec, resolved.kind === 'volume' ? namedForKernel(guest, resolved.volume) : undefined);
        if (!seen.has(item.finding)) items.push(item);
        seen.add(item.finding);
        return item.kind === 'change' ? `${key}=${item.change!.split(' -> ')[1]}` : arg;
      }),
    );
    if (text !== config.text) await writeText(guest.tree, config.path, text);
  }
  return items;
};

const argumentItem = ({ kernels }: Guest, key: string, spec: string, name: string | undefined): PlanItem => {
  const finding = `kernels are started with ${key}=${spec}`;
  if (name !== undefined) return { area: 'devices', kind: 'change', finding, change: `${spec} -> ${name}`, why: WHY };
  if (kernels.some(({ maker }) => maker === 'other'))
    return {
      area: 'devices',
      kind: 'left',
      finding,
      why: 'its initramfs is none that is known: a controller is chosen under which the name stays',
    };
  return { area: 'devices', kind: key === 'root' ? 'trouble' : 'left', finding, why: `${spec} is not among the disks of the point` };
};

/** What every initramfs of it, or the kernel alone, understands. */
const namedForKernel = ({ kernels }: Guest, volume: Parameters<typeof stableName>[0]): string | undefined => {
  if (kernels.some(({ maker }) => maker === 'other')) return undefined;
  if (kernels.every(({ initramfs }) => initramfs !== undefined) && volume.uuid !== '') return `UUID=${volume.uuid}`;
  return volume.partUuid === '' ? undefined : `PARTUUID=${volume.partUuid}`;
};

/** Where initramfs-tools wakes a hibernated machine from; what it finds there belongs to another instant, and waiting for it costs time. */
const resumeItems = async ({ tree, ...guest }: Guest): Promise<PlanItem[]> => {
  const file = '/etc/initramfs-tools/conf.d/resume';
  const text = await readText(tree, file);
  const spec = /^RESUME=(\/dev\/\S+)/m.exec(text ?? '')?.[1];
  const resolved = spec === undefined ? undefined : resolveDevice(guest, spec);
  const name = resolved?.kind === 'volume' ? stableName(resolved.volume) : undefined;
  if (text === undefined || spec === undefined || name === undefined) return [];
  await writeText(
    tree,
    file,
    text.replace(spec, () => name),
  );
  return [{ area: 'devices', kind: 'change', finding: `${file}: ${spec}`, change: `${spec} -> ${name}`, why: WHY }];
};
