import { address, filePath } from '../settings/kinds.ts';
import { section } from '../settings/setting.ts';

/** Settings of every program that is a member of an installation. */
export const memberSettings = {
  configurationServer: section('The configuration server, which every program but itself belongs to.', {
    address: address({
      optional: true,
      help: 'Where it is reached; needed only when that is no longer the address given when joining',
    }),
  }),
  identity: section('Who this machine is.', {
    hardwareFile: filePath({
      optional: true,
      help:
        'File with the hardware identity, JSON with productUuid, productSerial, macAddresses and machineId, instead of asking the machine; ' +
        'for containers and tests',
    }),
  }),
};

export type MemberSchema = typeof memberSettings;
