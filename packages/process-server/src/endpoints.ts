import { hostname } from 'node:os';
import { type Address, formatAddress } from '@holdfast/daemon';

/** Where agents reach a server that listens on `port`: as its settings say, else by the name of this machine. */
export const endpointsOf = ({ advertise }: { readonly advertise: readonly Address[] }, port: number): readonly string[] =>
  advertise.length > 0 ? advertise.map(formatAddress) : [formatAddress({ host: hostname(), port })];
