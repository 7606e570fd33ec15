import { HoldfastError } from '@holdfast/errors';
import type { Wanted } from './wanted.ts';

export const lost = ({ id, machineName }: Wanted): HoldfastError =>
  new HoldfastError('OPERATION_REFUSED', {
    thing: `recovery ${id} of machine ${machineName}`,
    why: 'it was committed, and this server does not know it any more: its directory of recoveries was lost, or is another one',
    remedy: 'give it its directory back; what the machine is now is on its host alone, and no second one is started',
  });

export const notCopied = ({ id, machineName }: Wanted): HoldfastError =>
  new HoldfastError('OPERATION_REFUSED', {
    thing: `recovery ${id} of machine ${machineName}`,
    why: 'not all of its disks are copied: without this server it stands still',
    remedy: 'commit it first',
  });
