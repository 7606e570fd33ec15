export type { NbdAddress } from './address.ts';
export { createNbdClient, type NbdClientOptions } from './client.ts';
export type { NbdExport, NbdExports } from './exports.ts';
export { createNbdServer, type NbdServer, type NbdServerOptions } from './server.ts';
export type { NbdErrorContext, NbdLimits } from './server-connection.ts';
