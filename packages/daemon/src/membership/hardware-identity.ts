import { access, open, readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import type { HardwareIdentity } from './member.ts';

export interface HardwareSources {
  /** JSON file that is taken instead of asking the machine: the setting `identity.hardware-file`. */
  readonly file?: string | undefined;
  /** Root of the file system with sys/ and etc/. Default: "/". */
  readonly root?: string;
}

/** What makers leave in the SMBIOS of every board they sell. */
const BLANKS = [
  /^$/,
  /^(0|f)+$/i,
  /^(none|null|unknown|default string|default|not (specified|available|applicable|set(table)?|present)|system serial number|n\/?a)$/i,
  /to be filled/i,
  /^(0?123456789|xxx+|\.+|-+)$/i,
  /^03000200-0400-0500-0006-000700080009$/,
  /^[0f]{8}-([0f]{4}-){3}[0f]{12}$/i,
];

/** Characters of one value; an SMBIOS string is shorter. */
const LONGEST = 128;
const MOST_ADDRESSES = 64;
const LARGEST_FILE = 64 * 1024;

const meaningful = (value: string): string => {
  const text = value.trim().slice(0, LONGEST);
  return BLANKS.some((blank) => blank.test(text)) ? '' : text;
};

const addressesOf = (addresses: readonly string[]): string[] =>
  [...new Set(addresses.map((address) => address.trim().toLowerCase()))]
    .filter((address) => /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(address) && address !== '00:00:00:00:00:00')
    .toSorted()
    .slice(0, MOST_ADDRESSES);

/** Whatever cannot be read is unknown: SMBIOS is for root only, and not every machine has it. */
const readLine = (file: string): Promise<string> => readFile(file, 'utf8').catch(() => '');

/** The hardware addresses of interfaces that belong to a device and keep their address over a reboot. */
const readAddresses = async (directory: string): Promise<string[]> => {
  const names = await readdir(directory).catch(() => []);
  const addresses = await Promise.all(
    names.map(async (name) => {
      const interfaceDirectory = path.join(directory, name);
      const physical = await access(path.join(interfaceDirectory, 'device')).then(
        () => true,
        () => false,
      );
      // 1: the kernel made the address up.
      const invented = (await readLine(path.join(interfaceDirectory, 'addr_assign_type'))).trim() === '1';
      return physical && !invented ? await readLine(path.join(interfaceDirectory, 'address')) : '';
    }),
  );
  return addressesOf(addresses);
};

const askMachine = async (root: string): Promise<HardwareIdentity> => {
  const [uuid, serial, macAddresses, machineId] = await Promise.all([
    readLine(path.join(root, 'sys/class/dmi/id/product_uuid')),
    readLine(path.join(root, 'sys/class/dmi/id/product_serial')),
    readAddresses(path.join(root, 'sys/class/net')),
    readLine(path.join(root, 'etc/machine-id')),
  ]);
  return {
    productUuid: meaningful(uuid).toLowerCase(),
    productSerial: meaningful(serial),
    macAddresses,
    machineId: /^[0-9a-f]{32}$/.test(machineId.trim()) ? machineId.trim() : '',
  };
};

const invalid = (thing: string, why: string, remedy: string): HoldfastError => new HoldfastError('SETTING_INVALID', { thing, why, remedy });

const FIELDS = ['productUuid', 'productSerial', 'macAddresses', 'machineId'];

/** A hardware identity in JSON of somebody else's making; fields may be missing. Throws an Error that says what is wrong. */
export const parseHardware = (value: unknown): HardwareIdentity => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('it is not an object');
  const unknown = Object.keys(value).find((name) => !FIELDS.includes(name));
  if (unknown !== undefined) throw new Error(`it has the field ${unknown.slice(0, 40)}; there are ${FIELDS.join(', ')}`);
  const { productUuid = '', productSerial = '', macAddresses = [], machineId = '' } = value as Record<string, unknown>;
  const texts = [productUuid, productSerial, machineId];
  if (!texts.every((text) => typeof text === 'string' && text.length <= LONGEST))
    throw new Error(`productUuid, productSerial and machineId are text of at most ${LONGEST} characters`);
  if (!Array.isArray(macAddresses) || !macAddresses.every((address) => typeof address === 'string'))
    throw new Error('macAddresses is a list of texts');
  const valid = addressesOf(macAddresses);
  if (valid.length !== new Set(macAddresses).size) throw new Error('macAddresses has values that are no hardware addresses, or too many');
  return {
    productUuid: meaningful(productUuid as string).toLowerCase(),
    productSerial: meaningful(productSerial as string),
    macAddresses: valid,
    machineId: meaningful(machineId as string),
  };
};

const readFromFile = async (file: string): Promise<HardwareIdentity> => {
  const remedy = `write it as JSON with some of ${FIELDS.join(', ')}`;
  const handle = await open(file).catch((reason: unknown) => {
    throw fromSystem(reason, `setting identity.hardware-file: ${file}`);
  });
  try {
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(LARGEST_FILE + 1), 0, LARGEST_FILE + 1, 0);
    if (bytesRead > LARGEST_FILE) throw new Error(`it is larger than ${LARGEST_FILE} bytes`);
    return parseHardware(JSON.parse(buffer.toString('utf8', 0, bytesRead)));
  } catch (reason) {
    throw invalid(`setting identity.hardware-file: ${file}`, reason instanceof Error ? reason.message : String(reason), remedy);
  } finally {
    await handle.close();
  }
};

/**
 * What tells this machine from its clone. Values that makers leave blank ("To be filled by O.E.M.", a UUID of zeroes) count as unknown. Only
 * root can read the SMBIOS; without it machine-id and network interfaces remain. Rejects with SETTING_INVALID for a bad file, and when
 * nothing at all is known.
 */
export const readHardwareIdentity = async ({ file, root = '/' }: HardwareSources = {}): Promise<HardwareIdentity> => {
  const hardware = file === undefined ? await askMachine(root) : await readFromFile(file);
  if (hardware.productUuid + hardware.productSerial + hardware.machineId !== '' || hardware.macAddresses.length > 0) return hardware;
  throw invalid(
    file ?? 'hardware identity',
    'nothing is known that tells this machine from another: no SMBIOS, no machine-id, no physical network interface',
    'make /etc/machine-id with systemd-machine-id-setup, or name a file by the setting identity.hardware-file',
  );
};
