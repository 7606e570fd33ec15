import { formatAddress, type ProgramContext } from '@holdfast/daemon';
import { ownNames } from '../own-certificate.ts';
import type { Settings } from '../settings.ts';

export type ListenSettings = Pick<ProgramContext<Settings>['settings'], 'listen'>;

/** Names and addresses on the server's certificate. */
export const namesOf = ({ listen: { names } }: ListenSettings): readonly string[] => (names.length > 0 ? names : ownNames());

/** "host:port" that join commands name, of a server that listens on this port. */
export const announcedAt = (settings: ListenSettings, port: number): string =>
  formatAddress(settings.listen.announced ?? { host: namesOf(settings)[0]!, port });

/** Where members find a server that listens on this port, in the order to try. */
export const addressesAt = (settings: ListenSettings, port: number): readonly string[] => {
  const { addresses } = settings.listen;
  return addresses.length > 0 ? addresses.map(formatAddress) : [announcedAt(settings, port)];
};
