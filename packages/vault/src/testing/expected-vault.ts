// What must come out of a vault, in the shape of expected.json beside a golden vault: for readers that are not this program.
import { createHash } from 'node:crypto';
import { idText } from '@holdfast/protocol';
import type { Anchor } from '../head.ts';
import type { Expected, MadeCut } from './simulated-source.ts';

const describe = ({ content, unreadable }: Expected) => ({
  size: content.length,
  sha256: createHash('sha256').update(content).digest('hex'),
  unreadableBlocks: [...unreadable].sort((a, b) => a - b),
});

const pointsOf = (made: readonly MadeCut[]) =>
  made
    .filter(({ pointId }) => pointId !== undefined)
    .map(({ pointId, cut, expected }) => ({
      id: pointId,
      time: Number(cut.point!.instant!.unixNanos / 1_000_000n),
      manifestId: idText(cut.point!.manifestId),
      disks: Object.fromEntries([...expected].map(([id, disk]) => [id, describe(disk)])),
    }));

interface ExpectedMachine {
  readonly id: string;
  readonly name: string;
  readonly head: Anchor;
  readonly cuts: readonly MadeCut[];
}

interface ExpectedVault {
  readonly note: string;
  readonly keyFile: Uint8Array;
  readonly passphrase: string;
  readonly vault: { readonly id: string; readonly name: string; readonly created: number };
  readonly machines: readonly ExpectedMachine[];
}

export const describeVault = ({ note, keyFile, passphrase, vault: { id, name, created }, machines }: ExpectedVault): string => {
  const described = machines
    .map((machine) => ({ id: machine.id, name: machine.name, head: machine.head, points: pointsOf(machine.cuts) }))
    .sort((a, b) => (a.id < b.id ? -1 : 1));
  const expected = { note, keyFile: Buffer.from(keyFile).toString('hex'), passphrase, vault: { id, name, created }, machines: described };
  return `${JSON.stringify(expected, undefined, 2)}\n`;
};
