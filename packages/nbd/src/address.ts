/** Where an NBD server listens: a Unix socket, or a TCP port. */
export type NbdAddress = { readonly path: string } | { readonly host: string; readonly port: number };

/** The URI other NBD programs take (`doc/uri.md` of the NetworkBlockDevice project). */
export const nbdUri = (address: NbdAddress, name: string): string => {
  const path = encodeURIComponent(name);
  if ('path' in address) return `nbd+unix:///${path}?socket=${encodeURIComponent(address.path).replaceAll('%2F', '/')}`;
  return `nbd://${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}/${path}`;
};

export const describeAddress = (address: NbdAddress): string => ('path' in address ? address.path : `${address.host}:${address.port}`);
