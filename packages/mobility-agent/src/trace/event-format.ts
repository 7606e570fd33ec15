import { HoldfastError } from '@holdfast/errors';

/** Where the fields of an event of a block request, or of what becomes one, lie, in 32-bit words from the start of its record. */
export interface RequestEventFormat {
  /** Value of the first 16 bits of a record of this event. */
  readonly id: number;
  readonly device: number;
  /** Low word; the high word follows. */
  readonly sector: number;
  readonly sectors: number;
  /** The error of a completion, 0 for none. */
  readonly error?: number;
  /** Byte in the record of the first of the letters that say what is done. */
  readonly letter?: number;
  /** Words a record has at least. */
  readonly words: number;
}

const unknown = (thing: string, why: string): HoldfastError =>
  new HoldfastError('TRACEFS_UNAVAILABLE', { thing, why, remedy: 'use capture scan and report the kernel version' });

const FIELD = /^\s*field:(?<declaration>[^;]*);\s*offset:(?<offset>\d+);\s*size:(?<size>\d+);/;

const parseFields = (text: string): Map<string, { offset: number; size: number }> => {
  const fields = new Map<string, { offset: number; size: number }>();
  for (const line of text.split('\n')) {
    const { declaration, offset, size } = FIELD.exec(line)?.groups ?? {};
    const name = declaration?.trim().split(/\s+/).at(-1);
    if (name !== undefined) fields.set(name, { offset: Number(offset), size: Number(size) });
  }
  return fields;
};

/** Reads the `format` file of `block_rq_issue`, `block_rq_complete`, `block_rq_requeue` or `block_bio_queue`. Throws TRACEFS_UNAVAILABLE if it is not as expected. */
export const parseRequestEvent = (text: string, name: string): RequestEventFormat => {
  const fields = parseFields(text);
  const word = (field: string, bytes: number): number => {
    const { offset, size } = fields.get(field) ?? {};
    if (offset === undefined) throw unknown(name, `its records have no field ${field}`);
    if (size !== bytes || offset % 4 !== 0) throw unknown(name, `the field ${field} of its records lies or looks otherwise than known`);
    return offset / 4;
  };
  const id = /^ID:\s*(\d+)\s*$/m.exec(text)?.[1];
  const type = fields.get('common_type');
  if (id === undefined || Number(id) > 0xffff || type?.offset !== 0 || type.size !== 2)
    throw unknown(name, 'its records carry no known number');
  const format = { id: Number(id), device: word('dev', 4), sector: word('sector', 8), sectors: word('nr_sector', 4) };
  const letter = [...fields].find(([field]) => field.startsWith('rwbs['))?.[1].offset;
  const error = fields.has('error') ? word('error', 4) : undefined;
  const last = Math.max(format.device, format.sector + 1, format.sectors, error ?? 0, (letter ?? 0) >> 2);
  return { ...format, ...(error === undefined ? {} : { error }), ...(letter === undefined ? {} : { letter }), words: last + 1 };
};

/** Where the fields of the event of a SCSI command on its way to a device lie, in 32-bit words. */
export interface CommandEventFormat {
  readonly id: number;
  readonly opcode: number;
  /** Where its bytes are: their place in the record, in bytes, in the low half, their number in the high half. */
  readonly command: number;
  readonly words: number;
}

/** Reads the `format` file of `scsi_dispatch_cmd_start`. Throws TRACEFS_UNAVAILABLE if it is not as expected. */
export const parseCommandEvent = (text: string): CommandEventFormat => {
  const name = 'scsi_dispatch_cmd_start';
  const fields = parseFields(text);
  const opcode = fields.get('opcode');
  const command = fields.get('cmnd');
  const id = Number(/^ID:\s*(\d+)\s*$/m.exec(text)?.[1]);
  if (!(id <= 0xffff) || opcode?.size !== 4 || command?.size !== 4 || (opcode.offset | command.offset) % 4 !== 0)
    throw unknown(name, 'its records lie or look otherwise than known');
  return { id, opcode: opcode.offset / 4, command: command.offset / 4, words: Math.max(opcode.offset, command.offset) / 4 + 1 };
};

/**
 * Checks that sub-buffers look the way `parseRingPage` reads them (the ring buffer's `header_page` and `header_event` files) and returns
 * their size in bytes. Throws TRACEFS_UNAVAILABLE if they do not.
 */
export const subBufferBytes = (headerPage: string, headerEvent: string): number => {
  const fields = parseFields(headerPage);
  const at = (name: string): string => `${fields.get(name)?.offset}+${fields.get(name)?.size}`;
  const data = fields.get('data');
  const known = [
    /type_len\s*:\s*5 bits/,
    /time_delta\s*:\s*27 bits/,
    /padding\s*: type == 29/,
    /time_extend\s*: type == 30/,
    /max type_len\s*== 28/,
  ];
  // Older kernels do not list time_stamp.
  const stamps = /time_stamp\s*: type == (\d+)/.exec(headerEvent)?.[1] ?? '31';
  const right = at('timestamp') === '0+8' && at('commit') === '8+8' && data?.offset === 16 && known.every((line) => line.test(headerEvent));
  if (!right || stamps !== '31') throw unknown('the kernel ring buffer', 'its layout is not the known one');
  return data.offset + data.size;
};
