import { ERRNO } from './errno.ts';
import { isReadOnly } from './exports.ts';
import { CMD, CMD_FLAG, PAYLOAD_LIMIT, type Request } from './protocol.ts';
import type { Session } from './server-handshake.ts';

/** Why a request can't be carried out as the client put it. */
export interface Refusal {
  readonly errno: number;
  readonly message: string;
}

/** Flags each command may carry; FUA is allowed with all (`doc/proto.md`, "Command flags"). */
const FLAGS: Readonly<Record<number, number>> = {
  [CMD.READ]: CMD_FLAG.FUA | CMD_FLAG.DF,
  [CMD.WRITE]: CMD_FLAG.FUA,
  [CMD.FLUSH]: CMD_FLAG.FUA,
  [CMD.TRIM]: CMD_FLAG.FUA,
  [CMD.CACHE]: CMD_FLAG.FUA,
  [CMD.WRITE_ZEROES]: CMD_FLAG.FUA | CMD_FLAG.NO_HOLE,
  [CMD.BLOCK_STATUS]: CMD_FLAG.FUA | CMD_FLAG.REQ_ONE,
};

const CHANGING: readonly number[] = [CMD.WRITE, CMD.TRIM, CMD.WRITE_ZEROES];

/** Undefined when the request is all right. */
export const refuse = (request: Request, session: Session): Refusal | undefined => {
  const { type, flags, offset, length } = request;
  const known = FLAGS[type];
  const invalid = (message: string): Refusal => ({ errno: ERRNO.EINVAL, message });
  if (known === undefined) return invalid(`command ${type} is unknown`);
  const allowed = session.structured ? known : known & ~CMD_FLAG.DF;
  if ((flags & ~allowed) !== 0) return invalid(`flags 0x${flags.toString(16)} do not go with this command`);
  if (CHANGING.includes(type) && isReadOnly(session.exported)) return { errno: ERRNO.EPERM, message: 'the export is read-only' };
  if (type === CMD.FLUSH) return offset === 0 && length === 0 ? undefined : invalid('a flush has no range');
  if (type === CMD.BLOCK_STATUS && (!session.allocation || length === 0)) return invalid('no block status was agreed on, or of no bytes');
  if ((type === CMD.READ || type === CMD.WRITE) && length > PAYLOAD_LIMIT) return invalid(`more than ${PAYLOAD_LIMIT} bytes at once`);
  if (offset + length > session.exported.device.size) {
    const errno = type === CMD.WRITE || type === CMD.WRITE_ZEROES ? ERRNO.ENOSPC : ERRNO.EINVAL;
    return { errno, message: `the export ends at ${session.exported.device.size}` };
  }
  return undefined;
};
