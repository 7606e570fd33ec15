import type { CutContent } from '@holdfast/protocol';

/** The part of the `.hrl` that is emptied into the vault. */
export interface CutLog {
  /** Committed and not freed, oldest first. */
  committed(): readonly CutContent[];
  free(cutId: string): void;
}

/** The part of the vault that takes cuts. */
export interface CutWriter {
  /** Resolves when the cut is durable. Calls may overlap; their order counts. */
  append(content: CutContent): Promise<unknown>;
}

export interface PumpOptions {
  readonly log: CutLog;
  readonly writer: CutWriter;
  /** Text of the id a cut carries. */
  idOf(content: CutContent): string;
  /** Told of every cut in order, when it is durable and freed. */
  onDurable(content: CutContent): void;
}

/** Carries committed cuts from the agent's log into the vault, in order, and frees each once it is durable there. */
export interface Pump {
  /** Something was committed. */
  wake(): void;
  /** Resolves when everything committed so far is durable. Rejects, as every later call does, when the vault refused a cut. */
  drained(): Promise<void>;
  /** Rejects when the vault refused a cut; never resolves. */
  readonly failure: Promise<never>;
}

/** Cuts on their way at the same time. */
const IN_FLIGHT = 4;

export const createPump = ({ log, writer, idOf, onDurable }: PumpOptions): Pump => {
  const onTheWay = new Set<string>();
  /** Resolves when the newest cut on its way has been freed. */
  let last: Promise<void> = Promise.resolve();
  let fail: (reason: unknown) => void = () => undefined;
  const failure = new Promise<never>((_, reject) => {
    fail = reject;
  });
  failure.catch(() => undefined);

  const carry = (content: CutContent): void => {
    const id = idOf(content);
    onTheWay.add(id);
    const durable = writer.append(content);
    durable.catch(() => undefined);
    const before = last;
    last = before.then(async () => {
      await durable;
      log.free(id);
      onTheWay.delete(id);
      onDurable(content);
      wake();
    });
    last.catch(fail);
  };

  const wake = (): void => {
    for (const content of log.committed()) {
      if (onTheWay.size >= IN_FLIGHT) return;
      if (!onTheWay.has(idOf(content))) carry(content);
    }
  };

  return {
    wake,
    failure,
    drained: async () => {
      wake();
      while (log.committed().length > 0) {
        await last;
        wake();
      }
      await last;
    },
  };
};
