import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { isId, RecoveryGoal, type RecoveryReportSchema, RecoveryStage, type WantedRecovery } from '@holdfast/protocol';
import { writeWhole } from '../control/write-whole.ts';
import { createRecoveryWorker, type RecoveryWorker, type RecoveryWorkerOptions } from './recovery-worker.ts';
import { parseStarted, type Started } from './start-requests.ts';
import { parseWanted, type Wanted, wantedJson, wantedOf } from './wanted.ts';

/** All recoveries of this server. What is wanted is kept on disk: machines are looked after while the configuration server is away. */
export interface Recoveries {
  /** What is wanted now. One that is not named any more is left as it is; one that is gone and not named is forgotten. */
  want(recoveries: readonly WantedRecovery[]): Promise<void>;
  reports(): readonly MessageInitShape<typeof RecoveryReportSchema>[];
  close(): Promise<void>;
}

export interface RecoveriesOptions
  extends Omit<RecoveryWorkerOptions, 'directory' | 'runs' | 'noteRuns' | 'fencedAt' | 'noteFenced' | 'started' | 'noteStarted'> {
  /** Keeps a file for each recovery, and below runs/ what the fabric needs; short enough for Unix sockets in there: at most 60 bytes. */
  readonly directory: string;
}

const BEFORE_IT_RUNS: ReadonlySet<RecoveryGoal> = new Set([RecoveryGoal.HELD, RecoveryGoal.FENCED]);
const RUNS: ReadonlySet<RecoveryGoal> = new Set([RecoveryGoal.RUNNING, RecoveryGoal.INDEPENDENT]);

/** A machine that runs goes when it is to be removed, or another run of it is wanted; not because somebody knows less of it than was done. */
const keepsRunning = (before: Wanted, { runId, goal }: Wanted): boolean =>
  before.runId === runId && RUNS.has(before.goal) && BEFORE_IT_RUNS.has(goal);

/** What is kept of a recovery: what is wanted of it, and what may have been left. */
interface Kept {
  wanted: Wanted;
  runs: readonly string[];
  /** The point at which the source was fenced: for good, or until this server, or another one, releases it. Empty: it is not known which. */
  fencedAt?: string;
  started?: Started;
  /** The run whose machine needs the vault no more. */
  independent?: string;
}

/** A machine that needs the vault no more was let go of there: a commit that is taken back too late does not make it need that again. */
const staysIndependent = ({ wanted: before, independent }: Kept, { runId, goal }: Wanted): boolean =>
  before.runId === runId && independent === runId && goal === RecoveryGoal.RUNNING;

const parseKept = (text: string): Kept => {
  const { form, wanted, runs, fenced, fencedAt, started: startedJson, independent } = JSON.parse(text) as Readonly<Record<string, unknown>>;
  const isList = Array.isArray(runs) && runs.every((run) => typeof run === 'string' && isId(run));
  if (form !== 1 || !isList) throw new Error('it holds no recovery');
  // What an earlier version has written says only that it was fenced.
  const at = typeof fencedAt === 'string' ? fencedAt : fenced === true ? '' : undefined;
  const started = parseStarted(startedJson);
  return {
    wanted: parseWanted(wanted),
    runs,
    ...(at !== undefined && { fencedAt: at }),
    ...(started !== undefined && { started }),
    ...(typeof independent === 'string' && { independent }),
  };
};

export const openRecoveries = async (options: RecoveriesOptions): Promise<Recoveries> => {
  const { directory, log } = options;
  const runsDirectory = path.join(directory, 'runs');
  const workers = new Map<string, RecoveryWorker>();
  const records = new Map<string, Kept>();
  let saving: Promise<unknown> = Promise.resolve();
  const fileOf = (id: string): string => path.join(directory, `${id}.json`);

  const save = (id: string): Promise<void> => {
    const saved = saving.then(async () => {
      const record = records.get(id);
      if (record === undefined) return;
      const { wanted, runs, fencedAt, started, independent } = record;
      // `fenced` is for earlier versions, which would fence a source again that was released.
      const kept = { form: 1, wanted: wantedJson(wanted), runs, fenced: fencedAt !== undefined, fencedAt, started, independent };
      await writeWhole(fileOf(id), JSON.stringify(kept));
    });
    saving = saved.catch(() => undefined);
    return saved;
  };

  const begin = (kept: Kept): void => {
    const { id } = kept.wanted;
    records.set(id, kept);
    const noteRuns = (runs: readonly string[]): Promise<void> => {
      kept.runs = runs;
      return save(id);
    };
    const noteFenced = (pointId: string): Promise<void> => {
      kept.fencedAt = pointId;
      return save(id);
    };
    const noteStarted = (started: Started): Promise<void> => {
      kept.started = started;
      return save(id);
    };
    const onChange = (): void => {
      const { goal, stage } = workers.get(id)?.report ?? {};
      if (goal === RecoveryGoal.INDEPENDENT && stage === RecoveryStage.REACHED && kept.independent !== kept.wanted.runId) {
        kept.independent = kept.wanted.runId;
        save(id).catch((error: unknown) =>
          log.warn('It could not be noted that a machine needs its vault no more', { recovery: id, error }),
        );
      }
      options.onChange();
    };
    const { runs, fencedAt, started } = kept;
    const own = { directory: runsDirectory, runs, noteRuns, fencedAt, noteFenced, started, noteStarted, onChange };
    workers.set(id, createRecoveryWorker(kept.wanted, { ...options, ...own }));
  };

  await mkdir(runsDirectory, { recursive: true, mode: 0o700 });
  for (const name of await readdir(directory)) {
    const id = name.endsWith('.json') ? name.slice(0, -'.json'.length) : '';
    if (!isId(id)) continue;
    try {
      begin(parseKept(await readFile(fileOf(id), 'utf8')));
    } catch (error) {
      log.warn('What was wanted of a recovery cannot be read; it rests until the configuration server says it again', {
        recovery: id,
        error,
      });
    }
  }

  return {
    async want(messages) {
      const named = new Set<string>();
      for (const message of messages) {
        const wanted = wantedOf(message);
        if (wanted === undefined) continue;
        const { id } = wanted;
        named.add(id);
        const record = records.get(id);
        if (record === undefined) {
          const kept: Kept = { wanted, runs: [] };
          records.set(id, kept);
          await save(id);
          begin(kept);
          continue;
        }
        const { wanted: before } = record;
        const isLate = staysIndependent(record, wanted);
        const goal = isLate ? RecoveryGoal.INDEPENDENT : keepsRunning(before, wanted) ? before.goal : wanted.goal;
        const next = { ...wanted, goal, commitCancelled: isLate || wanted.commitCancelled };
        record.wanted = next;
        await save(id);
        workers.get(id)?.want(next);
      }
      for (const [id, worker] of workers) {
        if (named.has(id) || !worker.isGone) continue;
        workers.delete(id);
        records.delete(id);
        await worker.close();
        await saving;
        await rm(fileOf(id), { force: true });
      }
    },
    reports: () => [...workers.values()].map(({ report }) => report),
    async close() {
      await Promise.all([...workers.values()].map((worker) => worker.close()));
      await saving;
    },
  };
};
