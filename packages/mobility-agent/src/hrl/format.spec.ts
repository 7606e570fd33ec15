import fs from 'node:fs';
import path from 'node:path';
import zlib from 'node:zlib';
import { encodeControl, parseControl } from './control-slot.ts';
import { inspectDirectories } from './inspect.ts';
import { encodeRecordHeader, parseRecordHeader } from './record.ts';
import { encodeSegmentHeader, parseSegmentHeader } from './segment-header.ts';
import { createMemoryDisk, type MemoryDisk } from './testing/memory-disk.ts';
import { observe, openOn } from './testing/model.ts';

const id = (byte: string): string => byte.repeat(16);
const SALT = '5a175a175a175a17';

/** An example of docs/hrl.md, as bytes. */
const example = (name: string): Buffer => {
  const text = fs.readFileSync(path.join(__dirname, '../../../../docs/hrl.md'), 'utf8');
  const block = new RegExp(`\`\`\`hex ${name}\n([^\`]*)\`\`\``).exec(text)?.[1] ?? '';
  return Buffer.from(block.replaceAll(/\s/g, ''), 'hex');
};

describe('the format of the agent log', () => {
  it('has the segment header of the documentation', () => {
    const header = { logId: id('10'), salt: SALT, number: 7, size: 64 * 1024 * 1024 };
    expect(encodeSegmentHeader(header)).toEqual(example('segment-header'));
    expect(parseSegmentHeader(example('segment-header'))).toEqual(header);
  });

  it('has the record header of the documentation', () => {
    const header = { type: 1, epochIndex: 1, salt: SALT, sequence: 42 } as const;
    expect(encodeRecordHeader(header, new Uint8Array())).toEqual(example('record-header'));
    expect(parseRecordHeader(example('record-header'))).toEqual({ ...header, length: 0, payloadCrc: 0 });
  });

  it('has the control slot of the documentation', () => {
    const head = {
      diskId: id('d1'),
      generationId: id('6e'),
      number: 12,
      open: true,
      coveredThrough: 1 << 20,
      diskSize: 1 << 30,
      ended: false,
      state: { generationId: id('57'), number: 3 },
    };
    const state = {
      sequence: 9,
      logId: id('10'),
      bootId: id('b0'),
      machineId: id('3a'),
      hotPath: '/run/holdfast/hrl',
      tail: { salt: SALT, number: 7, offset: 64, sequence: 40 },
      end: { salt: SALT, number: 7, offset: 9000, sequence: 48 },
      lastPointId: id('90'),
      lastManifest: { id: id('4d'), identity: 'e1'.repeat(32) },
      heads: new Map([[head.diskId, head]]),
      freedHeads: new Map(),
    };
    expect(encodeControl(state)).toEqual(example('control-slot'));
    expect(parseControl(example('control-slot'))).toEqual(state);
  });

  it('refuses a header with any bit flipped', () => {
    const parsers = { 'segment-header': parseSegmentHeader, 'control-slot': parseControl, 'record-header': parseRecordHeader };
    for (const [name, parse] of Object.entries(parsers)) {
      const bytes = example(name);
      for (let bit = 0; bit < bytes.length * 8; bit += 1) {
        bytes[bit >> 3]! ^= 1 << (bit & 7);
        const parsed = parse(bytes);
        expect(parsed === undefined || typeof parsed === 'string').toBe(true);
        bytes[bit >> 3]! ^= 1 << (bit & 7);
      }
    }
  });
});

/** A log written by a version of the format: its files compressed, and what is in it. */
interface Golden {
  readonly files: Readonly<Record<string, string>>;
  readonly observed: unknown;
  readonly dump: readonly string[];
}

const unpack = (golden: Golden): MemoryDisk =>
  createMemoryDisk({
    files: Object.entries(golden.files).map(([name, content]) => [name, zlib.gunzipSync(Buffer.from(content, 'base64'))]),
  });

describe.each([1, 2])('a log written by version %d', (version) => {
  const golden: Golden = JSON.parse(fs.readFileSync(path.join(__dirname, `testing/golden-v${version}.json`), 'utf8'));

  it('is of that version', () => {
    const control = zlib.gunzipSync(Buffer.from(golden.files['/cold/control.hrl']!, 'base64'));
    expect(control.readUInt32LE(12)).toBe(version);
  });

  it('is read as it was written', async () => {
    const hrl = openOn(unpack(golden));
    expect(hrl.recovery).toEqual({ boot: 'same', losses: [] });
    expect(await observe(hrl)).toEqual(golden.observed);
  });

  it('is printed by inspect, which changes nothing', () => {
    const disk = unpack(golden);
    expect([...inspectDirectories([disk.directory('/hot'), disk.directory('/cold')])]).toEqual(golden.dump);
    expect(disk.operations).toEqual([]);
  });

  it('is printed by inspect with its damage named', () => {
    const disk = unpack(golden);
    for (const name of disk.files.keys()) if (name.startsWith('/hot/segment')) disk.change(name).fill(0xff, 100, 104);
    const dump = [...inspectDirectories([disk.directory('/hot'), disk.directory('/cold')])].join('\n');
    expect(dump).toMatch(/DAMAGED \/hot\/segment-\d+\.hrl at byte \d+: /);
  });
});
