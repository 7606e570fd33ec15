import { textOf } from './fields.ts';
import type { SystemView } from './system-view.ts';

/** What blkid finds at a byte of a device or file, by the names of its tags (`TYPE`, `PTTYPE`, `PART_ENTRY_UUID` …). Devices need root. */
export const probe = async (system: SystemView, path: string, offset = 0): Promise<(tag: string) => string> => {
  const output = (await system.run('blkid', '--probe', '--offset', String(offset), '--output', 'export', path)) ?? '';
  const pairs = output.split('\n').filter((line) => line.includes('='));
  const tags = new Map(pairs.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
  return (tag) => textOf(tags.get(tag));
};
