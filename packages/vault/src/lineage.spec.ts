import { create, type MessageInitShape } from '@bufbuild/protobuf';
import {
  type Cut,
  CutSchema,
  type Epoch,
  EpochRefSchema,
  EpochSchema,
  type Generation,
  GenerationSchema,
  idBytes,
  newId,
  type Point,
  PointMemberSchema,
  PointSchema,
} from '@holdfast/protocol';
import { Lineage } from './lineage.ts';

const machineId = newId();
const [disk, otherDisk] = [newId(), newId()];
const digest = Buffer.alloc(32, 1);

const epoch = (cutId: string, generation: string, number: number, more: MessageInitShape<typeof EpochSchema> = {}): Epoch =>
  create(EpochSchema, {
    diskId: idBytes(disk),
    generationId: idBytes(generation),
    number: BigInt(number),
    cutId: idBytes(cutId),
    diskSize: 8192n,
    contentDigest: digest,
    ...more,
  });
const generation = (id: string, parent?: readonly [string, number], more: MessageInitShape<typeof GenerationSchema> = {}): Generation =>
  create(GenerationSchema, {
    id: idBytes(id),
    diskId: idBytes(disk),
    ...(parent !== undefined && { parent: create(EpochRefSchema, { generationId: idBytes(parent[0]), number: BigInt(parent[1]) }) }),
    ...more,
  } as MessageInitShape<typeof GenerationSchema>);
const cutOf = (cutId: string, epochs: Epoch[], generations: Generation[] = [], more: MessageInitShape<typeof CutSchema> = {}): Cut =>
  create(CutSchema, { id: idBytes(cutId), machineId: idBytes(machineId), epochs, generations, ...more });
const pointOf = (cutId: string, members: readonly [string, string, number][], more: MessageInitShape<typeof PointSchema> = {}): Point =>
  create(PointSchema, {
    id: idBytes(newId()),
    cutId: idBytes(cutId),
    members: members.map(([diskId, generationId, number]) =>
      create(PointMemberSchema, {
        diskId: idBytes(diskId),
        epoch: create(EpochRefSchema, { generationId: idBytes(generationId), number: BigInt(number) }),
      }),
    ),
    ...more,
  });

describe('lineage', () => {
  let lineage: Lineage;
  const first = newId();
  const add = (cut: Cut): void => {
    expect(lineage.judge(cut)).toBe('new');
    lineage.add(cut);
    lineage.checkPoint(cut);
  };
  beforeEach(() => {
    lineage = new Lineage(machineId);
    const cutId = newId();
    add(cutOf(cutId, [epoch(cutId, first, 0)], [generation(first)]));
  });

  it('takes epochs one after the other and generations on parents', () => {
    const cuts = Array.from({ length: 4 }, newId);
    const second = newId();
    add(cutOf(cuts[0]!, [epoch(cuts[0]!, first, 1, { diskSize: 4096n })]));
    expect(lineage.headOf(disk)).toEqual({ generationId: first, number: 1, open: false, coveredThrough: 0, diskSize: 4096 });
    add(cutOf(cuts[1]!, [epoch(cuts[1]!, second, 0, { open: true, coveredThrough: 100n })], [generation(second, [first, 0])]));
    expect(lineage.headOf(disk)).toEqual({ generationId: second, number: 0, open: true, coveredThrough: 100, diskSize: 8192 });
    add(cutOf(cuts[2]!, [epoch(cuts[2]!, second, 1)]));
    const third = newId();
    add(cutOf(cuts[3]!, [epoch(cuts[3]!, third, 0)], [generation(third, [second, 0])]));
    expect([...lineage.heads().keys()]).toEqual([disk]);
  });

  it('knows a cut again for as long as it lives', () => {
    const cuts = Array.from({ length: 300 }, (_, i) => {
      const cutId = newId();
      return cutOf(cutId, [epoch(cutId, first, i + 1, { contentDigest: Buffer.alloc(32, i) })]);
    });
    for (const cut of cuts) add(cut);
    for (const cut of cuts) expect(lineage.judge(cut)).toBe('known');
    const again = cuts[7]!;
    expect(() => lineage.judge(cutOf(newId(), [create(EpochSchema, { ...again.epochs[0]!, cutId: idBytes(newId()) })]))).toThrow(
      expect.objectContaining({ code: 'PROTOCOL_VIOLATION' }),
    );
    const otherCut = newId();
    for (const more of [{ cutId: idBytes(otherCut) }, { contentDigest: Buffer.alloc(32, 99), cutId: again.id }])
      expect(() =>
        lineage.judge(create(CutSchema, { ...again, id: more.cutId, epochs: [create(EpochSchema, { ...again.epochs[0]!, ...more })] })),
      ).toThrow(expect.objectContaining({ code: 'EPOCH_CONFLICT' }));
  });

  it('takes back what was added last', () => {
    const before = lineage.heads();
    const cutId = newId();
    const second = newId();
    const cut = cutOf(cutId, [epoch(cutId, second, 0, { open: true })], [generation(second, [first, 0])]);
    add(cut);
    lineage.remove(cut);
    expect(lineage.heads()).toEqual(before);
    add(cut);
    const fresh = new Lineage(machineId);
    const base = cutOf(cutId, [epoch(cutId, first, 0)], [generation(first)]);
    fresh.add(base);
    fresh.remove(base);
    expect(fresh.heads().size).toBe(0);
    expect(fresh.judge(base)).toBe('new');
  });

  const id = newId();
  const fresh = newId();
  const bad: Record<string, () => Cut> = {
    'a cut of another machine': () => cutOf(id, [epoch(id, first, 1)], [], { machineId: idBytes(newId()) }),
    'a cut without an epoch': () => cutOf(id, []),
    'a cut with a broken id': () => cutOf(id, [epoch(id, first, 1)], [], { id: new Uint8Array(3) }),
    'a disk twice in a cut': () => cutOf(id, [epoch(id, first, 1), epoch(id, first, 2)]),
    'an epoch of another cut': () => cutOf(id, [epoch(newId(), first, 1)]),
    'an epoch with a broken digest': () => cutOf(id, [epoch(id, first, 1, { contentDigest: Buffer.alloc(16) })]),
    'an epoch of a disk without bytes': () => cutOf(id, [epoch(id, first, 1, { diskSize: 0n })]),
    'an epoch of an impossible disk': () => cutOf(id, [epoch(id, first, 1, { diskSize: 2n ** 50n + 1n })]),
    'an epoch with a broken disk id': () => cutOf(id, [epoch(id, first, 1, { diskId: new Uint8Array(0) })]),
    'a gap': () => cutOf(id, [epoch(id, first, 2)]),
    'a generation nobody knows': () => cutOf(id, [epoch(id, newId(), 0)]),
    "another disk's generation": () => cutOf(id, [epoch(id, first, 1, { diskId: idBytes(otherDisk) })]),
    'a piece after the copy was complete': () => cutOf(id, [epoch(id, first, 1, { open: true })]),
    'a generation without its first epoch': () => cutOf(id, [epoch(id, first, 1)], [generation(fresh)]),
    'a generation that starts at epoch 1': () => cutOf(id, [epoch(id, fresh, 1)], [generation(fresh)]),
    'a generation that began before': () => cutOf(id, [epoch(id, first, 1)], [generation(first)]),
    'a generation with a broken id': () => cutOf(id, [epoch(id, fresh, 0)], [generation(fresh, undefined, { id: new Uint8Array(5) })]),
    'a parent nobody knows': () => cutOf(id, [epoch(id, fresh, 0)], [generation(fresh, [newId(), 0])]),
    'a parent that is yet to come': () => cutOf(id, [epoch(id, fresh, 0)], [generation(fresh, [first, 1])]),
    'a parent of another disk': () =>
      cutOf(id, [epoch(id, fresh, 0, { diskId: idBytes(otherDisk) })], [generation(fresh, [first, 0], { diskId: idBytes(otherDisk) })]),
    'a generation of another disk than its epoch': () =>
      cutOf(id, [epoch(id, fresh, 0)], [generation(fresh, undefined, { diskId: idBytes(otherDisk) })]),
    'a point without a disk': () => cutOf(id, [epoch(id, first, 1)], [], { point: pointOf(id, []) }),
    'a point of another cut': () => cutOf(id, [epoch(id, first, 1)], [], { point: pointOf(newId(), [[disk, first, 1]]) }),
    'a point whose member is yet to come': () => cutOf(id, [epoch(id, first, 1)], [], { point: pointOf(id, [[disk, first, 2]]) }),
    'a point with a disk twice': () =>
      cutOf(id, [epoch(id, first, 1)], [], {
        point: pointOf(id, [
          [disk, first, 1],
          [disk, first, 1],
        ]),
      }),
    "a point with another disk's epoch": () => cutOf(id, [epoch(id, first, 1)], [], { point: pointOf(id, [[otherDisk, first, 1]]) }),
    'a point in the middle of a copy': () =>
      cutOf(id, [epoch(id, fresh, 0, { open: true })], [generation(fresh)], { point: pointOf(id, [[disk, fresh, 0]]) }),
    'a generation introduced twice': () => cutOf(id, [epoch(id, fresh, 0)], [generation(fresh), generation(fresh)]),
    'a point with an epoch of an earlier cut': () => cutOf(id, [epoch(id, first, 1)], [], { point: pointOf(id, [[disk, first, 0]]) }),
    'a point without a disk of its cut': () => {
      const other = epoch(id, fresh, 0, { diskId: idBytes(otherDisk) });
      return cutOf(id, [epoch(id, first, 1), other], [generation(fresh, undefined, { diskId: idBytes(otherDisk) })], {
        point: pointOf(id, [[disk, first, 1]], { disksExcluded: [idBytes(otherDisk)] }),
      });
    },
    'a point that says nothing of a disk': () => {
      const other = epoch(id, fresh, 0, { diskId: idBytes(otherDisk) });
      return cutOf(id, [other], [generation(fresh, undefined, { diskId: idBytes(otherDisk) })], {
        point: pointOf(id, [[otherDisk, fresh, 0]]),
      });
    },
    'a point with a manifest nobody knows': () =>
      cutOf(id, [epoch(id, first, 1)], [], { point: pointOf(id, [[disk, first, 1]], { manifestId: idBytes(newId()) }) }),
  };
  it.each(Object.keys(bad))('refuses %s', (name) => {
    expect(() => add(bad[name]!())).toThrow(expect.objectContaining({ code: 'PROTOCOL_VIOLATION' }));
  });

  it('takes a point that says of every disk what became of it, and one of a group whatever it says', () => {
    for (const more of [
      { disksExcluded: [idBytes(disk)] },
      { disksNotYetCopied: [idBytes(disk)] },
      { groupId: idBytes(newId()) },
    ] as MessageInitShape<typeof PointSchema>[]) {
      const [cutId, other] = [newId(), newId()];
      const epochs = [epoch(cutId, other, 0, { diskId: idBytes(otherDisk) })];
      const generations = [generation(other, undefined, { diskId: idBytes(otherDisk) })];
      add(cutOf(cutId, epochs, generations, { point: pointOf(cutId, [[otherDisk, other, 0]], more) }));
    }
  });

  it('has each point once, and with one cut', () => {
    const [cutId, next] = [newId(), newId()];
    const point = pointOf(cutId, [[disk, first, 1]]);
    const cut = cutOf(cutId, [epoch(cutId, first, 1)], [], { point });
    add(cut);
    expect(lineage.judge(cut)).toBe('known');
    const again = cutOf(next, [epoch(next, first, 2)], [], { point: pointOf(next, [[disk, first, 2]], { id: point.id }) });
    expect(() => lineage.judge(again)).toThrow(expect.objectContaining({ code: 'PROTOCOL_VIOLATION' }));
    const another = cutOf(cutId, cut.epochs, [], { point: pointOf(cutId, [[disk, first, 1]]) });
    expect(() => lineage.judge(another)).toThrow(expect.objectContaining({ code: 'EPOCH_CONFLICT' }));
    lineage.remove(cut);
    add(cut);
  });

  it('refuses epochs of a generation that ended', () => {
    const [cutId, late] = [newId(), newId()];
    add(cutOf(cutId, [epoch(cutId, fresh, 0)], [generation(fresh, [first, 0])]));
    expect(() => lineage.judge(cutOf(late, [epoch(late, first, 1)]))).toThrow(expect.objectContaining({ code: 'PROTOCOL_VIOLATION' }));
  });

  it('refuses a cut of which only a part is known', () => {
    const cutId = newId();
    const both = cutOf(
      cutId,
      [epoch(cutId, first, 1), epoch(cutId, fresh, 0, { diskId: idBytes(otherDisk) })],
      [generation(fresh, undefined, { diskId: idBytes(otherDisk) })],
    );
    add(cutOf(cutId, [both.epochs[0]!]));
    expect(() => lineage.judge(both)).toThrow(expect.objectContaining({ code: 'EPOCH_CONFLICT' }));
  });
});
