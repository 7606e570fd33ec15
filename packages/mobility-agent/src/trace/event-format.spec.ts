import { isHoldfastError } from '@holdfast/errors';
import { parseCommandEvent, parseRequestEvent, subBufferBytes } from './event-format.ts';

/** Linux 6.18. */
const COMPLETE = `name: block_rq_complete
ID: 2107
format:
	field:unsigned short common_type;	offset:0;	size:2;	signed:0;
	field:unsigned char common_flags;	offset:2;	size:1;	signed:0;
	field:unsigned char common_preempt_count;	offset:3;	size:1;	signed:0;
	field:int common_pid;	offset:4;	size:4;	signed:1;

	field:dev_t dev;	offset:8;	size:4;	signed:0;
	field:sector_t sector;	offset:16;	size:8;	signed:0;
	field:unsigned int nr_sector;	offset:24;	size:4;	signed:0;
	field:int error;	offset:28;	size:4;	signed:1;
	field:unsigned short ioprio;	offset:32;	size:2;	signed:0;
	field:char rwbs[10];	offset:34;	size:10;	signed:0;
	field:__data_loc char[] cmd;	offset:44;	size:4;	signed:0;

print fmt: "%d,%d %s (%s) %llu + %u [%d]", REC->dev
`;

/** As include/trace/events/scsi.h has it. */
const COMMAND = `name: scsi_dispatch_cmd_start
ID: 1201
format:
	field:unsigned short common_type;	offset:0;	size:2;	signed:0;

	field:unsigned int host_no;	offset:8;	size:4;	signed:0;
	field:unsigned int opcode;	offset:24;	size:4;	signed:0;
	field:unsigned int cmd_len;	offset:28;	size:4;	signed:0;
	field:unsigned char prot_op;	offset:48;	size:1;	signed:0;
	field:__data_loc unsigned char[] cmnd;	offset:52;	size:4;	signed:0;
`;

const PAGE_HEADER = `	field: u64 timestamp;	offset:0;	size:8;	signed:0;
	field: local_t commit;	offset:8;	size:8;	signed:1;
	field: int overwrite;	offset:8;	size:1;	signed:1;
	field: char data;	offset:16;	size:4080;	signed:0;
`;

const EVENT_HEADER = `# compressed entry header
	type_len    :    5 bits
	time_delta  :   27 bits
	array       :   32 bits

	padding     : type == 29
	time_extend : type == 30
	time_stamp : type == 31
	data max type_len  == 28
`;

const refusal = (work: () => unknown): boolean => {
  try {
    work();
    return false;
  } catch (reason) {
    return isHoldfastError(reason, 'TRACEFS_UNAVAILABLE');
  }
};

describe('parseRequestEvent', () => {
  it('reads where the fields lie', () => {
    expect(parseRequestEvent(COMPLETE, 'x')).toEqual({
      id: 2107,
      device: 2,
      sector: 4,
      sectors: 6,
      error: 7,
      letter: 34,
      words: 9,
    });
  });

  it('follows a kernel that moved them', () => {
    const moved = COMPLETE.replace('offset:24;', 'offset:40;').replace('offset:16;', 'offset:20;').replace('2107', '77');
    expect(parseRequestEvent(moved, 'x')).toMatchObject({ id: 77, device: 2, sector: 5, sectors: 10, words: 11 });
    const letters = COMPLETE.replace('offset:34;', 'offset:47;').replace('rwbs[10]', 'rwbs[8]');
    expect(parseRequestEvent(letters, 'x')).toMatchObject({ error: 7, letter: 47, words: 12 });
  });

  it.each(['error', 'rwbs'])('goes without what a kernel does not tell: %s', (field) => {
    const found = parseRequestEvent(COMPLETE.replace(field, 'other'), 'x');
    expect(found.error === undefined).toBe(field === 'error');
    expect(found.letter === undefined).toBe(field === 'rwbs');
  });

  it.each([
    ['no number', COMPLETE.replace('ID: 2107', '')],
    ['a number too large', COMPLETE.replace('2107', '70000')],
    ['no sector', COMPLETE.replace(' sector;', ' place;')],
    ['a sector of another size', COMPLETE.replace('offset:16;	size:8;', 'offset:16;	size:4;')],
    ['a field off the grid', COMPLETE.replace('offset:24;', 'offset:25;')],
    ['no type', COMPLETE.replace('common_type', 'other')],
    ['nothing', ''],
  ])('refuses a format with %s', (_name, text) => {
    expect(refusal(() => parseRequestEvent(text, 'block_rq_complete'))).toBe(true);
  });
});

describe('subBufferBytes', () => {
  it('is the size of header and data', () => {
    expect(subBufferBytes(PAGE_HEADER, EVENT_HEADER)).toBe(4096);
    expect(subBufferBytes(PAGE_HEADER.replace('4080', '65520'), EVENT_HEADER)).toBe(65536);
    expect(subBufferBytes(PAGE_HEADER, EVENT_HEADER.replace(/.*time_stamp.*\n/, ''))).toBe(4096);
  });

  it.each([
    ['a 32-bit commit', PAGE_HEADER.replace('offset:8;	size:8;', 'offset:8;	size:4;'), EVENT_HEADER],
    ['other types', PAGE_HEADER, EVENT_HEADER.replace('29', '28')],
    ['another stamp', PAGE_HEADER, EVENT_HEADER.replace('31', '32')],
    ['nothing', '', ''],
  ])('refuses %s', (_name, page, event) => {
    expect(refusal(() => subBufferBytes(page, event))).toBe(true);
  });
});

describe('parseCommandEvent', () => {
  it('finds the fields', () => {
    expect(parseCommandEvent(COMMAND)).toEqual({ id: 1201, opcode: 6, command: 13, words: 14 });
  });

  it.each([
    ['has no operation code', COMMAND.replace('opcode', 'other')],
    ['has no command', COMMAND.replace('cmnd', 'other')],
    ['lies across words', COMMAND.replace('offset:24', 'offset:26')],
    ['has no number', COMMAND.replace('ID: 1201', '')],
  ])('refuses an event that %s', (_, text) => {
    expect(refusal(() => parseCommandEvent(text))).toBe(true);
  });
});
