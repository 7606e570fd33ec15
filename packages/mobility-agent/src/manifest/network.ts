import os from 'node:os';
import { create } from '@bufbuild/protobuf';
import { type NetworkInterface, NetworkInterfaceSchema, type Route, RouteSchema } from '@holdfast/protocol';
import { addressOf, countOf, type Loose, looseList, macOf, parseJson, textOf, UINT32 } from './fields.ts';
import type { SystemView } from './system-view.ts';

const INTERFACE_LIMIT = 1024;
const ADDRESS_LIMIT = 256;
const ROUTE_LIMIT = 4096;

/** Interfaces worth having again: every real one, and made ones (bridges, bonds, VLANs) that have addresses. By name. */
export const collectInterfaces = async (system: SystemView): Promise<NetworkInterface[]> => {
  const listed = parseJson(await system.run('ip', '-j', 'addr'));
  const interfaces = listed === undefined ? interfacesOfNode(system) : looseList(listed, INTERFACE_LIMIT).map(interfaceOf);
  return interfaces
    .filter(({ name, addresses }) => name !== 'lo' && name !== '' && (addresses.length > 0 || isReal(system, name)))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
};

const isReal = (system: SystemView, name: string): boolean => system.list(`/sys/class/net/${name}/device`).length > 0;

const interfaceOf = (link: Loose): NetworkInterface => {
  const given = looseList(link['addr_info'], ADDRESS_LIMIT).filter(({ scope }) => scope === 'global' || scope === 'site');
  const addresses = given.map(({ local, prefixlen }) => addressOf(`${textOf(local)}/${countOf(prefixlen)}`)).filter((it) => it !== '');
  const isLeased = given.some(({ family, dynamic }) => family === 'inet' && dynamic === true);
  return create(NetworkInterfaceSchema, {
    name: textOf(link['ifname']),
    mac: macOf(link['address']),
    addresses: addresses.sort(),
    method: isLeased ? 'dhcp' : addresses.length > 0 ? 'static' : '',
    mtu: countOf(link['mtu'], UINT32),
  });
};

/** Without iproute2. How an address was got cannot be told then. */
const interfacesOfNode = (system: SystemView): NetworkInterface[] =>
  Object.entries(os.networkInterfaces()).map(([name, entries = []]) =>
    create(NetworkInterfaceSchema, {
      name,
      mac: macOf(entries[0]?.mac),
      addresses: entries
        .filter(({ internal, scopeid }) => !internal && (scopeid ?? 0) === 0)
        .map(({ cidr }) => addressOf(cidr))
        .filter((address) => address !== '')
        .sort(),
      mtu: countOf(system.read(`/sys/class/net/${name}/mtu`), UINT32),
    }),
  );

/** Routes that do not follow from the addresses of the interfaces. */
export const collectRoutes = async (system: SystemView): Promise<Route[]> => {
  const outputs = await Promise.all([system.run('ip', '-j', 'route'), system.run('ip', '-j', '-6', 'route')]);
  const routes = outputs.flatMap((output) => looseList(parseJson(output), ROUTE_LIMIT)).flatMap(routeOf);
  const keyOf = ({ destination, gateway, interface: name, metric }: Route): string => `${destination} ${gateway} ${name} ${metric}`;
  return routes.sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
};

const routeOf = ({ dst, gateway, via, dev, metric, protocol }: Loose): Route[] => {
  const destination = dst === 'default' ? 'default' : addressOf(dst);
  if (destination === '' || protocol === 'kernel') return [];
  // A gateway of the other address family stands in `via`.
  const next = addressOf(gateway) || addressOf((via as Loose | undefined)?.['host']);
  return [create(RouteSchema, { destination, gateway: next, interface: textOf(dev), metric: countOf(metric, UINT32) })];
};

/** Name servers and search domains (resolv.conf(5)); those behind the local stub of systemd-resolved where that is in use. */
export const collectDns = (system: SystemView): { readonly servers: string[]; readonly search: string[] } => {
  const plain = parseResolvConf(system.read('/etc/resolv.conf') ?? '');
  const isStub = plain.servers.length > 0 && plain.servers.every((server) => server.startsWith('127.0.0.5'));
  const behind = isStub ? system.read('/run/systemd/resolve/resolv.conf') : undefined;
  return behind === undefined ? plain : parseResolvConf(behind);
};

const parseResolvConf = (text: string): { readonly servers: string[]; readonly search: string[] } => {
  const servers: string[] = [];
  let search: string[] = [];
  for (const line of text.split('\n').slice(0, 1000)) {
    const [keyword, ...words] = textOf(line).split(/\s+/);
    // An address may carry the zone of its interface: "fe80::1%eth0".
    if (keyword === 'nameserver' && addressOf(words[0]?.split('%')[0]) !== '') servers.push(textOf(words[0]));
    if (keyword === 'search' || keyword === 'domain') search = words.map(textOf).filter((word) => word !== '');
  }
  return { servers, search };
};

/** What configures the network, by the traces each leaves when it runs; empty when none is known. */
export const guessRenderer = (system: SystemView): string => {
  const netplan = system.list('/etc/netplan').some((name) => name.endsWith('.yaml')) ? 'netplan/' : '';
  if (system.list('/run/NetworkManager').length > 0) return `${netplan}NetworkManager`;
  if (system.list('/run/systemd/netif/links').length > 0) return `${netplan}networkd`;
  if (system.list('/run/wicked').length > 0) return 'wicked';
  const interfaces = system.read('/etc/network/interfaces') ?? '';
  const isUsed = /^\s*iface\s+(?!lo\s)/m.test(interfaces) || system.list('/etc/network/interfaces.d').length > 0;
  return isUsed ? 'ifupdown' : '';
};
