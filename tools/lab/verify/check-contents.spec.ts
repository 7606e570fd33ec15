import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type Churn, churnDirectory, churnFileNumber, createChurn } from '../workload/churn.ts';
import { createLedger, type Ledger, ledgerFile } from '../workload/ledger.ts';
import { churnJournalName, LEDGER_LOG, STAMPS_LOG } from '../workload/messages.ts';
import { STAMP_SIZE } from '../workload/stamp.ts';
import { createStampedFiles, type StampedFiles, stampedFile } from '../workload/stamped-files.ts';
import { checkContents } from './check-contents.ts';

/*
 * The oracles must find nothing wrong with a true copy and must find every kind of wrong one. Plain directories stand for the disks: the
 * workload is paused between two steps, so that a copy of them is what a cut at that moment must hold.
 */

const SEED = 5;
let root: string;
let disks: string[];
let ledgers: string;
let ledger: Ledger;
let stamped: StampedFiles;
let churns: Churn[];

const work = (steps: number): void => {
  for (let step = 0; step < steps; step += 1) {
    ledger.step();
    stamped.step();
    for (const churn of churns) churn.step();
  }
};

/** A cut as it should be: everything at one moment. */
const cut = (): { mountPoints: string[]; instant: bigint } => {
  const instant = process.hrtime.bigint();
  const mountPoints = disks.map((disk) => `${disk}-at-${instant}`);
  for (const [index, disk] of disks.entries()) cpSync(disk, mountPoints[index]!, { recursive: true });
  return { mountPoints, instant };
};

const faultsOf = async (state: { mountPoints: string[]; instant: bigint }): Promise<Record<string, string[]>> => {
  const verdicts = await checkContents({ ...state, ledgers, seed: SEED });
  for (const { good, faults } of verdicts) expect(good).toBe(faults.length === 0);
  return Object.fromEntries(verdicts.filter(({ good }) => !good).map(({ check, faults }) => [check, [...faults]]));
};

beforeEach(() => {
  root = mkdtempSync(path.join(os.tmpdir(), 'lab-oracles-'));
  disks = ['a', 'b'].map((name) => path.join(root, name));
  ledgers = path.join(root, 'ledgers');
  for (const directory of [...disks, ledgers]) mkdirSync(directory);
  ledger = createLedger({ mountPoints: disks, log: path.join(ledgers, LEDGER_LOG), seed: SEED });
  stamped = createStampedFiles({ mountPoints: disks, log: path.join(ledgers, STAMPS_LOG), seed: SEED });
  churns = disks.map((mountPoint, disk) =>
    createChurn({ mountPoint, journal: path.join(ledgers, churnJournalName(disk)), seed: SEED + disk, firstBlocks: 512 }),
  );
  work(60);
});

afterEach(() => {
  ledger.close();
  stamped.close();
  for (const churn of churns) churn.close();
  rmSync(root, { recursive: true });
});

describe('the oracles of the workload', () => {
  it('find nothing wrong with true copies', async () => {
    const states = [cut()];
    for (let more = 0; more < 3; more += 1) {
      work(37);
      states.push(cut());
    }
    for (const state of states) expect(await faultsOf(state)).toEqual({});
  });

  it('accept a step that was begun and not acknowledged at the instant, present or not', async () => {
    const before = cut();
    ledger.step();
    const after = cut();
    const times = readFileSync(path.join(ledgers, LEDGER_LOG), 'utf8').trim().split('\n');
    const instant = BigInt(times.at(-2)!.split(' ')[2]!);
    expect(await faultsOf({ ...before, instant })).toEqual({});
    expect(await faultsOf({ ...after, instant })).toEqual({});
  });

  it('miss what was acknowledged before the instant', async () => {
    const state = cut();
    work(40);
    const faults = await faultsOf({ ...state, instant: process.hrtime.bigint() });
    expect(Object.keys(faults)).toEqual(['ledger', 'stamps', 'files']);
    expect(faults['ledger']![0]).toMatch(/rows end at 60, but row 100 was acknowledged/);
  });

  it('see what was begun after the instant', async () => {
    const instant = process.hrtime.bigint();
    work(40);
    const faults = await faultsOf({ ...cut(), instant });
    expect(Object.keys(faults)).toEqual(['ledger', 'stamps', 'files']);
    expect(faults['ledger']![0]).toMatch(/rows reach 100, but row 61 was begun after/);
  });

  it.each([0, 1])('see disks cut at different moments, disk %i being the older', async (older) => {
    const [early] = [cut()];
    // One step each, so that nothing but the order between the disks gives it away: bounds allow either count.
    ledger.step();
    stamped.step();
    ledger.step();
    stamped.step();
    const late = cut();
    const mountPoints = late.mountPoints.map((mountPoint, disk) => (disk === older ? early!.mountPoints[disk]! : mountPoint));
    const faults = await faultsOf({ mountPoints, instant: late.instant });
    expect(Object.keys(faults)).toEqual(['ledger', 'stamps']);
  });

  it.each([
    ['a row missing in the middle', 'DELETE FROM entry WHERE sequence = 30', /row 30 is missing on disk 0/],
    ['a row that was never committed', "INSERT INTO entry VALUES (-4, x'00')", /disk 0 holds 1 row\(s\) which should not be there/],
    ['a row on the wrong disk', "INSERT INTO entry VALUES (31, x'00')", /disk 0 holds 1 row\(s\) which should not be there/],
    ['a row with other content', "UPDATE entry SET body = x'00' WHERE sequence = 30", /row 30 on disk 0 has other content/],
  ])('see %s', async (_, statement, fault) => {
    const state = cut();
    const database = new DatabaseSync(ledgerFile(state.mountPoints[0]!));
    database.exec(statement);
    database.close();
    const faults = await faultsOf(state);
    expect(Object.keys(faults)).toEqual(['ledger']);
    expect(faults['ledger']!.join()).toMatch(fault);
  });

  it('see a damaged database, and one that is gone', async () => {
    const damaged = cut();
    const file = ledgerFile(damaged.mountPoints[0]!);
    // The last one to close it empties the WAL into the database itself.
    const database = new DatabaseSync(file);
    database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    database.close();
    const content = readFileSync(file);
    content.fill(0xa5, 4096, 8192);
    writeFileSync(file, content);
    expect(Object.keys(await faultsOf(damaged))).toEqual(['ledger']);
    const gone = cut();
    rmSync(path.dirname(ledgerFile(gone.mountPoints[1]!)), { recursive: true });
    expect(Object.keys(await faultsOf(gone))).toEqual(['ledger']);
  });

  it('see one stamped block that is older or newer than the rest', async () => {
    const early = cut();
    const old = readFileSync(stampedFile(early.mountPoints[0]!));
    work(40);
    const late = cut();
    const now = readFileSync(stampedFile(late.mountPoints[0]!));
    let block = 0;
    while (
      Buffer.compare(
        old.subarray(block * STAMP_SIZE, (block + 1) * STAMP_SIZE),
        now.subarray(block * STAMP_SIZE, (block + 1) * STAMP_SIZE),
      ) === 0
    )
      block += 1;
    const mix = (base: Buffer, other: Buffer): Buffer => {
      const mixed = Buffer.from(base);
      other.copy(mixed, block * STAMP_SIZE, block * STAMP_SIZE, (block + 1) * STAMP_SIZE);
      return mixed;
    };
    writeFileSync(stampedFile(late.mountPoints[0]!), mix(now, old));
    writeFileSync(stampedFile(early.mountPoints[0]!), mix(old, now));
    for (const state of [early, late]) expect(Object.keys(await faultsOf(state))).toEqual(['stamps']);
  });

  it('see stamped blocks that are garbage or lie elsewhere', async () => {
    for (const damage of [(content: Buffer) => content.fill(0, 4096, 4608), (content: Buffer) => content.copy(content, 0, 4096, 8192)]) {
      const state = cut();
      const content = readFileSync(stampedFile(state.mountPoints[1]!));
      damage(content);
      writeFileSync(stampedFile(state.mountPoints[1]!), content);
      expect(Object.keys(await faultsOf(state))).toEqual(['stamps']);
    }
  });
});

describe('the oracle of the file churn', () => {
  const filesOf = (mountPoint: string): string[] =>
    readdirSync(churnDirectory(mountPoint), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => path.join(entry.parentPath, entry.name));

  /** The largest churn file of a copy of disk 0: it was there from the beginning and has been synced. */
  const someFile = (mountPoint: string): string => {
    const sized = filesOf(mountPoint).map((file) => ({ file, size: statSync(file).size }));
    return sized.sort((a, b) => b.size - a.size)[0]!.file;
  };

  const change = (file: string, edit: (content: Buffer) => unknown): void => {
    const content = readFileSync(file);
    edit(content);
    writeFileSync(file, content);
  };

  it.each<[string, RegExp, (file: string) => void]>([
    ['a lost file', /was synced before the point's instant and is missing/, (file) => rmSync(file)],
    ['a file under two names', /two names/, (file) => cpSync(file, `${file.slice(0, file.lastIndexOf('.'))}.999`)],
    ['a foreign file', /is a file nobody made/, (file) => writeFileSync(path.join(path.dirname(file), 'lost'), 'x')],
    ['a file cut short', /was synced before the point's instant and is missing/, (file) => truncateSync(file, STAMP_SIZE)],
    ['half a block', /no whole number of blocks/, (file) => truncateSync(file, readFileSync(file).length - 100)],
    [
      'a synced block of zeroes',
      /was synced before the point's instant and is missing/,
      (file) => change(file, (content) => content.fill(0, 0, STAMP_SIZE)),
    ],
    ['a torn block', /block 1 of .* is garbage/, (file) => change(file, (content) => content.fill(1, 5000, 5004))],
    [
      'a block of another place',
      /belongs to block 1 of/,
      (file) => change(file, (content) => content.copy(content, 0, STAMP_SIZE, 2 * STAMP_SIZE)),
    ],
    ['a file under the number of another', /belongs to block/, (file) => renameSync(file, path.join(path.dirname(file), '123456.0'))],
  ])('sees %s', async (_, fault, damage) => {
    const state = cut();
    damage(someFile(state.mountPoints[0]!));
    const faults = await faultsOf(state);
    expect(Object.keys(faults)).toEqual(['files']);
    expect(faults['files']!.join()).toMatch(fault);
  });

  it('sees blocks that went back to what they were before they were synced', async () => {
    const early = cut();
    work(100);
    const late = cut();
    const before = new Map(filesOf(early.mountPoints[0]!).map((file) => [churnFileNumber(path.basename(file)), file]));
    for (const file of filesOf(late.mountPoints[0]!)) {
      const old = before.get(churnFileNumber(path.basename(file)));
      if (old !== undefined) change(file, (content) => readFileSync(old).copy(content));
    }
    const faults = await faultsOf(late);
    expect(Object.keys(faults)).toEqual(['files']);
    expect(faults['files']!.join()).toMatch(/is older than what was synced/);
  });
});
