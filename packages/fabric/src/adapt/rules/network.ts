import type { Manifest, NetworkInterface } from '@holdfast/protocol';
import type { Guest, PlanItem, Rule } from '../guest.ts';
import { filesIn, readText, writeText } from '../tree/guest-tree.ts';
import { withDhcp } from './interfaces-file.ts';

const MOST_CARDS = 8;
/** Six bytes of which the first is even: an address of one card. */
const MAC = /^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$/i;

/** Network cards of the source, in the order in which it had them: one each is what the recovered machine gets. A bridge shows the address of its card once more. */
export const sourceInterfaces = (manifest: Manifest | undefined): NetworkInterface[] => {
  const seen = new Set<string>();
  return (manifest?.networkInterfaces ?? [])
    .filter(({ mac }) => {
      const address = mac.toLowerCase();
      if (!MAC.test(address) || /^00(:00)*$/.test(address) || seen.has(address)) return false;
      seen.add(address);
      return true;
    })
    .slice(0, MOST_CARDS);
};

/** Names that may stand in settings as they are. */
const PLAIN_NAME = /^[\w.-]{1,15}$/;

/** Names, hardware addresses and, where the network gives them, addresses. */
export const networkRule: Rule = async (guest) => {
  const cards = sourceInterfaces(guest.manifest).flatMap(({ name, mac }, at) => {
    const next = guest.target.macs[at];
    return next === undefined || !PLAIN_NAME.test(name) ? [] : [{ name, before: mac.toLowerCase(), now: next }];
  });
  return [
    ...(await macItems(guest, cards)),
    ...(await nameItems(guest, cards)),
    ...(guest.target.addresses === 'dhcp' ? await dhcpItems(guest, cards) : keptItems(guest)),
  ];
};

interface Card {
  readonly name: string;
  readonly before: string;
  readonly now: string;
}

const configFiles = async ({ tree }: Guest): Promise<string[]> => [
  ...(await filesIn(tree, '/etc/network', /^interfaces$/)),
  ...(await filesIn(tree, '/etc/network/interfaces.d', /./)),
  ...(await filesIn(tree, '/etc/netplan', /\.ya?ml$/)),
  ...(await filesIn(tree, '/etc/systemd/network', /\.(network|link|netdev)$/)),
  ...(await filesIn(tree, '/etc/NetworkManager/system-connections', /./)),
  ...(await filesIn(tree, '/etc/sysconfig/network-scripts', /^ifcfg-/)),
  ...(await filesIn(tree, '/etc/sysconfig/network', /^ifcfg-/)),
  ...(await filesIn(tree, '/etc/udev/rules.d', /net.*\.rules$/)),
];

/** Whatever is bound to the address of a card is bound to the address of the card in its place. */
const macItems = async (guest: Guest, cards: readonly Card[]): Promise<PlanItem[]> => {
  const changed: string[] = [];
  for (const file of await configFiles(guest)) {
    const text = (await readText(guest.tree, file)) ?? '';
    let next = text;
    for (const { before, now } of cards) next = next.replaceAll(new RegExp(before, 'gi'), now);
    if (next === text) continue;
    await writeText(guest.tree, file, next);
    changed.push(file);
  }
  if (changed.length === 0) return [];
  return [
    {
      area: 'network',
      kind: 'change',
      finding: `settings are bound to hardware addresses of the source: ${changed.join(', ')}`,
      change: cards.map(({ before, now }) => `${before} -> ${now}`).join(', '),
      why: 'the cards of the recovered machine have addresses of their own, so that both can be on one network',
    },
  ];
};

/** Interfaces keep their names, whatever slot the card is in: settings, firewalls and programs go by them. */
const nameItems = async ({ tree }: Guest, cards: readonly Card[]): Promise<PlanItem[]> => {
  const items: PlanItem[] = [];
  const systemd = (await tree.kind('/usr/lib/systemd')) ?? (await tree.kind('/lib/systemd'));
  if (systemd === undefined || cards.length === 0) return [];
  for (const [at, { name, now }] of cards.entries())
    await tree.write(
      `/etc/systemd/network/10-holdfast-${at}.link`,
      Buffer.from(`# By Holdfast: as at the source.\n[Match]\nMACAddress=${now}\n\n[Link]\nName=${name}\n`),
    );
  items.push({
    area: 'network',
    kind: 'change',
    finding: `its interfaces are called ${cards.map(({ name }) => name).join(', ')}`,
    change: 'they keep these names (/etc/systemd/network/10-holdfast-*.link)',
    why: 'names are made of the slot a card is in, and it is in another one here',
  });
  return items;
};

const describe = ({ manifest }: Guest): string =>
  sourceInterfaces(manifest)
    .map(({ name, addresses, method }) => `${name} ${addresses.join(', ') || 'without an address'}${method === '' ? '' : ` (${method})`}`)
    .join('; ');

const keptItems = (guest: Guest): PlanItem[] =>
  sourceInterfaces(guest.manifest).length === 0
    ? []
    : [{ area: 'network', kind: 'good', finding: describe(guest), why: 'on this network its own addresses are kept' }];

/** By whatever configures the network: all of them that are there are told. */
const dhcpItems = async (guest: Guest, cards: readonly Card[]): Promise<PlanItem[]> => {
  const { tree } = guest;
  const changed: string[] = [];
  const put = async (file: string, text: string, mode?: number): Promise<void> => {
    await writeText(tree, file, text, mode);
    changed.push(file);
  };
  for (const file of [
    ...(await filesIn(tree, '/etc/network', /^interfaces$/)),
    ...(await filesIn(tree, '/etc/network/interfaces.d', /./)),
  ]) {
    const text = (await readText(tree, file)) ?? '';
    const next = withDhcp(text);
    if (next !== text) await put(file, next);
  }
  for (const file of [
    ...(await filesIn(tree, '/etc/sysconfig/network-scripts', /^ifcfg-(?!lo$)/)),
    ...(await filesIn(tree, '/etc/sysconfig/network', /^ifcfg-(?!lo$)/)),
  ]) {
    const text = (await readText(tree, file)) ?? '';
    const next = text.replace(/^(BOOTPROTO=).*$/m, "$1'dhcp'").replaceAll(/^((IPADDR|PREFIX|NETMASK|GATEWAY)\d*=.*)$/gm, '#$1');
    if (next !== text && /^BOOTPROTO=/m.test(text)) await put(file, next);
  }
  const uses = async (directory: string, pattern: RegExp): Promise<boolean> => (await filesIn(tree, directory, pattern)).length > 0;
  const netplan = await uses('/etc/netplan', /\.ya?ml$/);
  const manager = (await tree.kind('/etc/NetworkManager')) === 'directory';
  for (const [at, { name, now }] of cards.entries()) {
    if (netplan || (await uses('/etc/systemd/network', /\.network$/)))
      await put(`/etc/systemd/network/05-holdfast-${at}.network`, `# By Holdfast.\n[Match]\nMACAddress=${now}\n\n[Network]\nDHCP=ipv4\n`);
    if (manager)
      await put(
        `/etc/NetworkManager/system-connections/holdfast-${at}.nmconnection`,
        `[connection]\nid=holdfast-${name}\ntype=ethernet\nautoconnect-priority=999\n\n[ethernet]\nmac-address=${now.toUpperCase()}\n\n[ipv4]\nmethod=auto\n\n[ipv6]\nmethod=auto\n`,
        0o600,
      );
  }
  if (changed.length === 0)
    return [
      {
        area: 'network',
        kind: 'left',
        finding: `nothing that configures its network is known; at the source ${describe(guest) || 'nothing was'}`,
        why: 'the isolated network gives addresses by DHCP',
      },
    ];
  return [
    {
      area: 'network',
      kind: 'change',
      finding: `at the source ${describe(guest) || 'it had no address'}`,
      change: `addresses by DHCP (${changed.join(', ')})`,
      why: 'the network it is in is isolated and gives addresses by DHCP; those of the source lead nowhere there',
    },
  ];
};
