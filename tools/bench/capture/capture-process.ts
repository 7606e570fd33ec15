import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { FROM_SOURCE } from '../../site/from-source.ts';

export interface MeasuredCut {
  readonly type: 'cut';
  /** From the wish to the commit. */
  readonly milliseconds: number;
  readonly rounds: number;
  /** Read of the disk. */
  readonly readBytes: number;
  /** Of the disk, in the cut. */
  readonly changedBytes: number;
}

export type CaptureOrder = 'cut' | 'end';
export type CaptureAnswer =
  | { readonly type: 'ready'; readonly copyMilliseconds: number }
  | MeasuredCut
  | { readonly type: 'skipped'; readonly milliseconds: number; readonly readBytes: number }
  | { readonly type: 'lost'; readonly reason: string }
  | { readonly type: 'ended'; readonly lost: string | undefined };

/** A capture of one disk in a process of its own: the agent without what sends. */
export interface CaptureProcess {
  readonly pid: number;
  readonly copyMilliseconds: number;
  /** A cut, undefined when it did not converge, or why there can be none any more: a ring overflowed. */
  cut(): Promise<MeasuredCut | string | undefined>;
  /** Tells why writes were not traced to the end, if they were not. */
  end(): Promise<string | undefined>;
}

/** Third argument of capture-main.ts. */
export const FOLLOW_ONLY = 'follow-only';

const MAIN = fileURLToPath(new URL('./capture-main.ts', import.meta.url));

const nextAnswer = async (child: ChildProcess): Promise<CaptureAnswer> => {
  const gone = new AbortController();
  try {
    const ended = once(child, 'exit', { signal: gone.signal }).then(([status, signal]) => {
      throw new Error(`the capture ended with ${signal ?? status}`);
    });
    const [answer] = await Promise.race([once(child, 'message', { signal: gone.signal }), ended]);
    return answer as CaptureAnswer;
  } finally {
    gone.abort();
  }
};

export interface CaptureProcessOptions {
  /** False: writes are followed, nothing is copied, and there are no cuts. */
  readonly copies?: boolean;
}

/** Starts it and waits until the disk is copied. */
export const startCapture = async (device: string, { copies = true }: CaptureProcessOptions = {}): Promise<CaptureProcess> => {
  const own = await mkdtemp('/dev/shm/holdfast-capture-');
  const child = fork(MAIN, [own, device, ...(copies ? [] : [FOLLOW_ONLY])], { execArgv: [...FROM_SOURCE] });
  const ready = await nextAnswer(child);
  if (ready.type !== 'ready') throw new Error(`the capture said ${ready.type}`);
  return {
    pid: child.pid!,
    copyMilliseconds: ready.copyMilliseconds,
    cut: async () => {
      child.send('cut' satisfies CaptureOrder);
      const answer = await nextAnswer(child);
      if (answer.type === 'lost') return answer.reason;
      return answer.type === 'cut' ? answer : undefined;
    },
    end: async () => {
      const ended = once(child, 'exit');
      child.send('end' satisfies CaptureOrder);
      const answer = await nextAnswer(child);
      await ended;
      await rm(own, { recursive: true });
      return answer.type === 'ended' ? answer.lost : undefined;
    },
  };
};
