import { createHash, randomBytes } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { type Cut, CutBeginSchema, CutSchema, idBytes, newId } from '@holdfast/protocol';
import type { FrameChunk, Journal, JournaledCut, OpenCut } from '../journal.ts';
import type { JournalKey } from '../journal-key.ts';
import { openJournal } from '../open-journal.ts';
import { createMemoryDirectory, type Fate, type MemoryDirectory } from './memory-directory.ts';

export const SEGMENT = 32 * 1024;
export const QUOTA = 24 * SEGMENT;
/** What records take besides the bytes in them, and what a file's end leaves over. */
const SLACK = 16 * 1024;
/** More than any random life, or several, can fill. */
const ROOMY = 160 * SEGMENT;

export const TEST_KEY: JournalKey = { id: '5a'.repeat(16), key: Buffer.alloc(32, 9) };

export const MACHINES = ['a1'.repeat(16), 'b2'.repeat(16)] as const;

export const openTestJournal = (directory: MemoryDirectory, memory = 0, quota = QUOTA): Promise<Journal> =>
  openJournal({ directory, key: TEST_KEY, segmentBytes: SEGMENT, quota, memory });

export const beginOf = (cutId: string, epochs = 1) =>
  create(CutBeginSchema, {
    cutId: idBytes(cutId),
    epochs: Array.from({ length: epochs }, () => ({ diskId: idBytes(newId()), generationId: idBytes(newId()), number: 3n })),
  });

export const chunkOf = (epochIndex: number, firstFrame: number, frames: readonly Uint8Array[]): FrameChunk => ({
  epochIndex,
  firstFrame,
  frames: frames.length,
  sums: { dataBytes: 4096, zeroBytes: 8192, unreadableBytes: 0, end: 4096 * (firstFrame + frames.length) },
  payload: Buffer.concat(
    frames.flatMap((frame) => {
      const length = Buffer.alloc(4);
      length.writeUInt32LE(frame.length);
      return [length, frame];
    }),
  ),
  parts: frames,
});

export const cutOf = (machineId: string, cutId: string, counts: readonly number[]): Cut =>
  create(CutSchema, {
    id: idBytes(cutId),
    machineId: idBytes(machineId),
    epochs: counts.map((frameCount) => ({ frameCount: BigInt(frameCount), contentDigest: new Uint8Array(32) })),
  });

/** Hash of all frames of all epochs; rejects as reading does. */
export const contentOf = async (cut: JournaledCut): Promise<string> => {
  const hash = createHash('sha256');
  for (const index of cut.cut.epochs.keys())
    for await (const frame of cut.frames(index)) hash.update(`${index}:${frame.length}:`).update(frame);
  return hash.digest('hex');
};

/** One thing that somebody does to the journal. */
export type Command =
  | { readonly do: 'frames'; readonly machine: 0 | 1; readonly epoch: 0 | 1; readonly sizes: readonly number[] }
  | { readonly do: 'commit' | 'drop' | 'again' | 'restart' | 'release' | 'releaseNewest'; readonly machine: 0 | 1 }
  | { readonly do: 'wait' };

interface Sent {
  readonly open: OpenCut;
  readonly frames: Buffer[][];
}

/** Does commands and notes on the directory what was promised and what was taken back. */
export class JournalBench {
  readonly directory: MemoryDirectory;
  readonly journal: Journal;
  /** The content of every cut that was ever offered for commit, by id. */
  readonly contents = new Map<string, string>();
  readonly machineOf = new Map<string, string>();
  /** The frames of these cuts. */
  readonly #frames = new Map<string, Buffer[][]>();
  readonly #open: (Sent | undefined)[] = [undefined, undefined];
  readonly #committed: JournaledCut[][] = [[], []];
  readonly #under: Promise<void>[] = [];

  constructor(directory: MemoryDirectory, journal: Journal) {
    this.directory = directory;
    this.journal = journal;
  }

  static async create(): Promise<JournalBench> {
    const directory = createMemoryDirectory();
    return new JournalBench(directory, await openTestJournal(directory, 0, ROOMY));
  }

  async run(commands: readonly Command[]): Promise<void> {
    await this.begin(commands);
    await Promise.all(this.#under);
    await this.journal.close();
  }

  /** Does commands and waits for nothing that they don't wait for. */
  async begin(commands: readonly Command[]): Promise<void> {
    for (const command of commands) await this.#do(command);
  }

  /** The process is killed, or with `fate` the power fails, and it is started again. What the journal has then it has promised. */
  async restart(fate?: Fate): Promise<JournalBench> {
    const directory = fate === undefined ? this.directory.afterKill() : this.directory.afterPowerFailure(fate);
    const next = new JournalBench(directory, await openTestJournal(directory, 0, ROOMY));
    for (const [cutId, content] of this.contents) next.contents.set(cutId, content);
    for (const [cutId, machineId] of this.machineOf) next.machineOf.set(cutId, machineId);
    for (const [cutId, frames] of this.#frames) next.#frames.set(cutId, frames);
    for (const [machine, machineId] of MACHINES.entries()) {
      for (const cut of next.journal.recovered.get(machineId)?.cuts ?? []) {
        directory.note(`journaled ${cut.cutId}`);
        next.#committed[machine]!.push(cut);
      }
    }
    return next;
  }

  async #do(command: Command): Promise<void> {
    if (command.do === 'wait') {
      await Promise.all(this.#under.splice(0));
      return;
    }
    const { machine } = command;
    const machineId = MACHINES[machine];
    if (command.do === 'frames') {
      const sent = this.#open[machine] ?? this.#begin(machine);
      const frames = command.sizes.map((size) => randomBytes(size));
      await this.#untilRoom(command.sizes.reduce((sum, size) => sum + size, SLACK));
      const chunk = chunkOf(command.epoch, sent.frames[command.epoch]!.length, frames);
      sent.frames[command.epoch]!.push(...frames);
      this.#under.push(sent.open.append(chunk));
      return;
    }
    if (command.do === 'release' || command.do === 'releaseNewest') {
      const cuts = this.#committed[machine]!;
      const cut = command.do === 'release' ? cuts.shift() : cuts.pop();
      if (cut === undefined) return;
      this.directory.note(`released ${cut.cutId}`);
      cut.release();
      return;
    }
    const sent = this.#open[machine];
    if (command.do === 'again') {
      await this.#again(machine, machineId, sent);
      return;
    }
    if (sent === undefined) {
      // One that has no frames is whole in its commit.
      if (command.do === 'commit') this.#under.push(this.#commitWhole(machine, machineId));
      return;
    }
    if (command.do === 'restart') {
      const again = randomBytes(700);
      sent.frames[0] = [again];
      this.#under.push(sent.open.append(chunkOf(0, 0, [again])));
      return;
    }
    this.#open[machine] = undefined;
    if (command.do === 'drop') sent.open.drop();
    else this.#under.push(this.#commit(machine, machineId, sent));
  }

  /** A cut is given up, and comes again under its id: what is open from its beginning on, else the oldest that is whole. */
  async #again(machine: 0 | 1, machineId: string, sent: Sent | undefined): Promise<void> {
    if (sent !== undefined) {
      sent.open.drop();
      this.#begin(machine, sent.open.cutId);
      return;
    }
    const cut = this.#committed[machine]!.shift();
    const frames = cut && this.#frames.get(cut.cutId);
    if (cut === undefined || frames === undefined) return;
    this.directory.note(`released ${cut.cutId}`);
    cut.release();
    if (frames.every(({ length }) => length === 0)) {
      this.#under.push(this.#commitWhole(machine, machineId, cut.cutId));
      return;
    }
    const { open } = this.#begin(machine, cut.cutId);
    this.#open[machine] = undefined;
    for (const [epoch, list] of frames.entries()) {
      if (list.length === 0) continue;
      await this.#untilRoom(list.reduce((sum, { length }) => sum + length, SLACK));
      this.#under.push(open.append(chunkOf(epoch, 0, list)));
    }
    this.#under.push(this.#commit(machine, machineId, { open, frames }));
  }

  /** As whoever receives does it: nothing is taken for which no file is ready. */
  async #untilRoom(bytes: number): Promise<void> {
    while (this.journal.usage.room < bytes) await new Promise(setImmediate);
  }

  async #commit(machine: 0 | 1, machineId: string, { open, frames }: Sent): Promise<void> {
    const { cutId } = open;
    const hash = createHash('sha256');
    for (const [index, list] of frames.entries()) for (const frame of list) hash.update(`${index}:${frame.length}:`).update(frame);
    this.contents.set(cutId, hash.digest('hex'));
    this.machineOf.set(cutId, machineId);
    this.#frames.set(cutId, frames);
    const committed = await open.commit(
      cutOf(
        machineId,
        cutId,
        frames.map(({ length }) => length),
      ),
    );
    this.directory.note(`journaled ${cutId}`);
    this.#committed[machine]!.push(committed);
  }

  async #commitWhole(machine: 0 | 1, machineId: string, cutId = newId()): Promise<void> {
    this.#frames.set(cutId, [[], []]);
    this.contents.set(cutId, createHash('sha256').digest('hex'));
    this.machineOf.set(cutId, machineId);
    const committed = await this.journal.commit(machineId, cutOf(machineId, cutId, [0, 0]));
    this.directory.note(`journaled ${cutId}`);
    this.#committed[machine]!.push(committed);
  }

  #begin(machine: 0 | 1, cutId = newId()): Sent {
    const open = this.journal.begin(MACHINES[machine], beginOf(cutId, 2));
    const sent = { open, frames: [[], []] };
    this.#open[machine] = sent;
    return sent;
  }
}

export interface Judged {
  /** What is wrong; undefined when all is right. */
  readonly wrong: string | undefined;
  /** Cuts that were promised and are not there, while no damage was named. */
  readonly gone: readonly string[];
  /** Cuts that were released and are there. */
  readonly back: readonly string[];
  readonly recovered: number;
  readonly damage: readonly string[];
}

/**
 * Opens what a crash left and compares: every cut that was promised and not released is there and right, nothing else is there that was not offered, and
 * where it is not so there is damage with a name, if `mayBeDamaged`.
 */
export const judge = async (bench: JournalBench, count: number, files: Map<string, Buffer>, mayBeDamaged = false): Promise<Judged> => {
  const journal = await openTestJournal(createMemoryDirectory(files), 0, ROOMY);
  const promised = new Set<string>();
  const released = new Set<string>();
  const back: string[] = [];
  for (const operation of bench.directory.operations.slice(0, count)) {
    if (operation.kind !== 'note') continue;
    const [what, cutId] = operation.text.split(' ') as [string, string];
    if (what === 'journaled') promised.add(cutId);
    else promised.delete(cutId);
    if (what === 'released') released.add(cutId);
    else released.delete(cutId);
  }
  let recovered = 0;
  let named = journal.damage.length > 0;
  let wrong: string | undefined;
  for (const [machineId, { cuts }] of journal.recovered) {
    for (const cut of cuts) {
      recovered += 1;
      if (released.has(cut.cutId)) back.push(cut.cutId);
      const content = await contentOf(cut).catch((reason: unknown) => reason);
      if (content instanceof Error) {
        if (!mayBeDamaged) wrong ??= `cut ${cut.cutId}: ${content.message}`;
        named = true;
      } else if (content !== bench.contents.get(cut.cutId)) wrong ??= `cut ${cut.cutId} came back with other content`;
      else if (bench.machineOf.get(cut.cutId) !== machineId) wrong ??= `cut ${cut.cutId} came back as another machine's`;
      promised.delete(cut.cutId);
    }
  }
  if (promised.size > 0 && !(mayBeDamaged && named)) wrong ??= `${promised.size} cuts that were journaled are gone`;
  if (named && !mayBeDamaged) wrong ??= `damage where there is none: ${journal.damage.map(({ message }) => message).join('; ')}`;
  await journal.close();
  return { wrong, gone: named ? [] : [...promised], back, recovered, damage: journal.damage.map(({ message }) => message) };
};

/** The cuts that were promised after the last record was written: no record tells that they were on the disk. */
export const unmarked = ({ directory: { operations } }: JournalBench): readonly string[] => {
  const last = operations.findLastIndex((operation) => operation.kind === 'write' && operation.offset > 0);
  const notes = operations.slice(last).flatMap((operation) => (operation.kind === 'note' ? [operation.text] : []));
  return notes.filter((text) => text.startsWith('journaled ')).map((text) => text.slice('journaled '.length));
};
