import { isIPv6 } from 'node:net';

/** The eight groups of an IPv6 address, without leading zeroes. */
const groupsOf = (address: string): string[] => {
  const [head = '', tail] = address.split('::');
  const parts = (text: string): string[] => (text === '' ? [] : text.split(':'));
  const [first, last] = [parts(head), parts(tail ?? '')];
  const zeroes = tail === undefined ? [] : Array<string>(Math.max(0, 8 - first.length - last.length)).fill('0');
  return [...first, ...zeroes, ...last].map((group) => group.toLowerCase().replace(/^0+(?=.)/, ''));
};

/**
 * What calls from an address are counted under: an IPv4 address itself, of an IPv6 address its /64, which is the least that whoever has one address
 * there may take others from (RFC 6177).
 */
export const placeOf = (address: string): string => {
  const plain = address.split('%', 1)[0]!;
  const [, mapped] = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(plain) ?? [];
  if (mapped !== undefined) return mapped;
  return isIPv6(plain) && !plain.includes('.') ? `${groupsOf(plain).slice(0, 4).join(':')}::/64` : plain;
};
