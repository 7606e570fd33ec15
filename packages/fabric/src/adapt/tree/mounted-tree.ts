import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import type { WritableTree } from './guest-tree.ts';
import { type TreeAnswer, type TreeEntry, type TreeQuestion, treeWorker } from './tree-worker.ts';

const LARGEST_TEXT = 4 * 1024 * 1024;

/** Looks at trees that are mounted on this host. */
export interface TreeReader {
  /**
   * The tree mounted at a directory. Links were made by somebody else's machine: each step of a path is looked at, and one that leads out leads to the tree's
   * own root instead, as it would there.
   */
  tree(root: string): MountedTree;
  close(): Promise<void>;
}

export interface MountedTree extends WritableTree {
  /** True where a directory is at this path without any link on the way. */
  isPlainDirectory(path: string): Promise<boolean>;
  /** Of a directory what is in it, by name, of anything else that itself; undefined when there is no such thing. A link at the end is not followed. */
  entries(path: string): Promise<readonly TreeEntry[] | undefined>;
  /** Where it is on this host, for programs; the same of links. */
  where(path: string): Promise<string | undefined>;
}

/** Starts the process that looks (see tree-worker.ts). */
export const createTreeReader = (): TreeReader => {
  // In a group of its own: Ctrl-C at the terminal ends us, and closing its input ends it.
  const child = spawn(process.execPath, ['-e', `(${treeWorker.toString()})()`], {
    detached: true,
    env: { PATH: process.env['PATH'] ?? '' },
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const answers = createAnswers(child);
  let turn: Promise<unknown> = Promise.resolve();

  const ask = (question: TreeQuestion, content?: Uint8Array): Promise<{ answer: TreeAnswer; data: Buffer }> => {
    const answered = turn.then(async () => {
      child.stdin.write(`${JSON.stringify(question)}\n`);
      if (content !== undefined) child.stdin.write(content);
      const { answer, data } = await answers.next();
      if (answer.error !== undefined)
        throw fromSystem(Object.assign(new Error(answer.error.message), { code: answer.error.code || undefined }), question.path);
      return { answer, data };
    });
    // One after the other; what becomes of one is no concern of the next.
    turn = answered.catch(() => undefined);
    return answered;
  };

  return {
    tree: (root) => {
      const about = (what: TreeQuestion['ask'], path: string, length = 0, mode = 0): TreeQuestion => ({
        ask: what,
        root,
        path,
        length,
        mode,
      });
      return {
        async read(path, limit = LARGEST_TEXT) {
          const { answer, data } = await ask(about('read', path, limit));
          return answer.length === -1 ? undefined : data;
        },
        list: async (path) => (await ask(about('list', path))).answer.names ?? [],
        kind: async (path) => (await ask(about('kind', path))).answer.kind,
        async entries(path) {
          const { answer, data } = await ask(about('entries', path));
          return answer.length === -1 ? undefined : (JSON.parse(data.toString('utf8')) as TreeEntry[]);
        },
        where: async (path) => (await ask(about('where', path))).answer.at,
        isPlainDirectory: async (path) => (await ask(about('plain', path))).answer.kind === 'directory',
        write: async (path, content, mode = 0o644) => void (await ask(about('write', path, content.length, mode), content)),
        remove: async (path) => void (await ask(about('remove', path))),
      };
    },
    async close() {
      child.stdin.end();
      await ended;
    },
  };
};

interface Answers {
  next(): Promise<{ answer: TreeAnswer; data: Buffer }>;
}

/** One answer at a time out of what the process writes. */
const createAnswers = (child: ChildProcessWithoutNullStreams): Answers => {
  let pieces: Buffer[] = [];
  let said = '';
  let over: HoldfastError | undefined;
  let look: (() => void) | undefined;
  child.stdout.on('data', (piece: Buffer) => {
    pieces.push(piece);
    look?.();
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-1000);
  });
  child.stdin.on('error', () => {});
  const end = (why: string): void => {
    over ??= new HoldfastError('IO_FAILED', { thing: 'process that looks at files', why, remedy: 'try again' });
    look?.();
  };
  child.once('error', (reason) => end(reason.message));
  child.once('close', () => end(said.trim() || 'it ended'));

  const more = (): Promise<void> =>
    new Promise((resolve, reject) => {
      if (over !== undefined) return reject(over);
      look = () => {
        look = undefined;
        if (over === undefined) resolve();
        else reject(over);
      };
    });
  const atLeast = async (length: number): Promise<void> => {
    for (let have = pieces.reduce((sum, piece) => sum + piece.length, 0); have < length; ) {
      const known = pieces.length;
      await more();
      for (const piece of pieces.slice(known)) have += piece.length;
    }
  };

  return {
    async next() {
      while (!pieces.some((piece) => piece.includes(10))) await more();
      const head = Buffer.concat(pieces);
      const line = head.indexOf(10);
      const answer = JSON.parse(head.toString('utf8', 0, line)) as TreeAnswer;
      const length = Math.max(0, answer.length ?? 0);
      pieces = [head.subarray(line + 1)];
      await atLeast(length);
      const all = Buffer.concat(pieces);
      pieces = [all.subarray(length)];
      return { answer, data: all.subarray(0, length) };
    },
  };
};
