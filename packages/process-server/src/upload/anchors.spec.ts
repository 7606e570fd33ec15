import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { newId } from '@holdfast/protocol';
import { openAnchors } from './anchors.ts';

const silent = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent } as never;
const [machine, office, attic] = [newId(), newId(), newId()] as const;
const anchor = { sequence: 5, tag: 'a'.repeat(64), term: 2 };

describe('anchors', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'holdfast-anchors-'));
  });
  afterEach(() => rm(directory, { recursive: true }));

  it('say of one vault nothing about another: the log of a machine begins anew there', async () => {
    const anchors = await openAnchors(directory, silent);
    anchors.set(machine, office, anchor);
    await anchors.save();
    const again = await openAnchors(directory, silent);
    expect(again.of(machine, office)).toMatchObject(anchor);
    expect(again.of(machine)).toMatchObject(anchor);
    expect(again.of(machine, attic)).toBeUndefined();
    again.forget(machine);
    await again.save();
    expect((await openAnchors(directory, silent)).of(machine, office)).toBeUndefined();
  });

  it('of an earlier version count for whatever vault the machine is in', async () => {
    await writeFile(path.join(directory, 'anchors.json'), JSON.stringify({ [machine]: anchor }));
    expect((await openAnchors(directory, silent)).of(machine, office)).toEqual(anchor);
  });
});
