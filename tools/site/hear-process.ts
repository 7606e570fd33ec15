import type { ChildProcess } from 'node:child_process';

/** How a process ended, and all that it wrote. */
export interface EndedProcess {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A process whose words are kept. */
export interface HeardProcess {
  /** Rejects when it could not be started. */
  readonly ended: Promise<EndedProcess>;
  /** Resolves when it has written this to standard output; rejects when it ends before. */
  written(pattern: RegExp): Promise<RegExpExecArray>;
}

/** Keeps what a process writes from here on; both its streams have to be pipes. */
export const hearProcess = (child: ChildProcess): HeardProcess => {
  const told = { stdout: '', stderr: '' };
  for (const from of ['stdout', 'stderr'] as const)
    child[from]!.setEncoding('utf8').on('data', (text: string) => {
      told[from] += text;
      child.emit('told');
    });
  const ended = new Promise<EndedProcess>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status) => resolve({ ...told, status }));
  });
  return {
    ended,
    written: (pattern) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = pattern.exec(told.stdout);
          if (found !== null) resolve(found);
        };
        child.on('told', look);
        look();
        ended.then(({ status, stderr }) => reject(new Error(`it ended with ${status} before it wrote ${pattern}: ${stderr}`)), reject);
      }),
  };
};
