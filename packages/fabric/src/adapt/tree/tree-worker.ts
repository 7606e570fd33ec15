/** A question to the worker, one line of JSON; `content` comes behind it, so many bytes. */
export interface TreeQuestion {
  readonly ask: 'read' | 'list' | 'kind' | 'write' | 'remove' | 'plain' | 'entries' | 'where';
  readonly root: string;
  readonly path: string;
  /** Of `read`: the most bytes. Of `write`: the bytes that follow. */
  readonly length: number;
  readonly mode: number;
}

/** What is known of a file of the tree. */
export interface TreeEntry {
  readonly name: string;
  readonly type: 'file' | 'directory' | 'link' | 'other';
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes. */
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly changed: number;
  /** Of a link: where it leads to, as it says. */
  readonly target?: string;
}

/** The answer, one line of JSON, with so many bytes behind it. */
export interface TreeAnswer {
  readonly error?: { readonly code: string; readonly message: string };
  readonly names?: string[];
  readonly kind?: 'file' | 'directory' | 'other' | undefined;
  /** Where it is on this host. */
  readonly at?: string | undefined;
  /** Bytes that follow; -1: there is no such file. */
  readonly length?: number;
}

/**
 * What a process of its own does for us: it looks at files of a mounted tree, one question after the other. Its source is what this function says: it uses
 * nothing from outside of itself.
 *
 * Why a process: the disks below the tree are served by this one. A thread of it that waits for them in the kernel can neither serve them nor be killed,
 * and as long as it is there its sockets stay open, so that nobody would ever end the wait.
 */
export const treeWorker = (): void => {
  const fs = process.getBuiltinModule('node:fs');
  const path = process.getBuiltinModule('node:path');
  /** As the kernel's own limit. */
  const MOST_LINKS = 40;
  const ABSENT = ['ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO'];
  const orAbsent = <T>(work: () => T): T | undefined => {
    try {
      return work();
    } catch (reason) {
      if (ABSENT.includes((reason as NodeJS.ErrnoException).code ?? '')) return undefined;
      throw reason;
    }
  };
  const namesOf = (guestPath: string): string[] => guestPath.split('/').filter((name) => name !== '' && name !== '.');

  /**
   * Where a path is on this host, every link followed as the machine itself would; the last name need not exist. With `make`, directories that are missing on
   * the way are made, behind a link that leads nowhere too.
   */
  const locate = (root: string, names: string[], make = false): string | undefined => {
    const left = [...names];
    const done: string[] = [];
    for (let links = 0; left.length > 0; ) {
      const name = left.shift()!;
      if (name === '..') {
        done.pop();
        continue;
      }
      const at = path.join(root, ...done, name);
      const status = orAbsent(() => fs.lstatSync(at));
      if (status === undefined && left.length > 0) {
        if (!make) return undefined;
        fs.mkdirSync(at, 0o755);
      }
      if (status?.isSymbolicLink()) {
        links += 1;
        if (links > MOST_LINKS) return undefined;
        const target = fs.readlinkSync(at);
        if (target.startsWith('/')) done.length = 0;
        left.unshift(...namesOf(target));
        continue;
      }
      done.push(name);
    }
    return path.join(root, ...done);
  };

  const kindOf = (at: string | undefined): 'file' | 'directory' | 'other' | undefined => {
    const status = at === undefined ? undefined : orAbsent(() => fs.lstatSync(at));
    if (status === undefined) return undefined;
    return status.isFile() ? 'file' : status.isDirectory() ? 'directory' : 'other';
  };

  const read = (at: string, most: number): Buffer | undefined => {
    const file = fs.openSync(at, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW);
    try {
      return fs.fstatSync(file).size > most ? undefined : fs.readFileSync(file);
    } finally {
      fs.closeSync(file);
    }
  };

  const write = (root: string, names: string[], content: Buffer, mode: number): void => {
    const at = locate(root, names, true);
    const kind = kindOf(at);
    if (at === undefined || (kind !== undefined && kind !== 'file')) throw new Error('it is no file there');
    const { O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW } = fs.constants;
    const file = fs.openSync(at, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode);
    try {
      // On the disk when the file system is unmounted.
      fs.writeFileSync(file, content);
    } finally {
      fs.closeSync(file);
    }
  };

  const entryOf = (at: string, name: string): TreeEntry => {
    const status = fs.lstatSync(at);
    const { mode, uid, gid, size } = status;
    const type = status.isFile() ? 'file' : status.isDirectory() ? 'directory' : status.isSymbolicLink() ? 'link' : 'other';
    const changed = Math.floor(status.mtimeMs);
    return { name, type, mode: mode & 0o7777, uid, gid, size, changed, ...(type === 'link' && { target: fs.readlinkSync(at) }) };
  };

  /** Of a directory what is in it, of anything else that itself. */
  const entriesOf = (at: string): TreeEntry[] =>
    kindOf(at) === 'directory'
      ? fs
          .readdirSync(at)
          .sort()
          .map((name) => entryOf(path.join(at, name), name))
      : [entryOf(at, path.basename(at))];

  /** Where a path is on this host; the last name may be a link, and is not followed. */
  const placeOf = (root: string, names: string[]): string | undefined => {
    const last = names.at(-1);
    if (last === undefined || last === '..') return locate(root, names);
    const parent = locate(root, names.slice(0, -1));
    const at = parent === undefined ? undefined : path.join(parent, last);
    return at === undefined || orAbsent(() => fs.lstatSync(at)) === undefined ? undefined : at;
  };

  const work = ({ ask, root, path: guestPath, length, mode }: TreeQuestion, content: Buffer): { answer: TreeAnswer; data?: Buffer } => {
    const names = namesOf(guestPath);
    if (ask === 'where') return { answer: { at: placeOf(root, names) } };
    if (ask === 'entries') {
      const place = placeOf(root, names);
      const data = place === undefined ? undefined : Buffer.from(JSON.stringify(entriesOf(place)));
      return data === undefined ? { answer: { length: -1 } } : { answer: { length: data.length }, data };
    }
    const at = locate(root, names);
    if (ask === 'kind') return { answer: { kind: kindOf(at) } };
    // Whether the path is there as it is said, without any link.
    if (ask === 'plain') return { answer: { kind: at === path.join(root, ...names) ? kindOf(at) : undefined } };
    if (ask === 'list') return { answer: { names: at === undefined ? [] : (orAbsent(() => fs.readdirSync(at)) ?? []).sort() } };
    if (ask === 'write') write(root, names, content, mode);
    if (ask === 'remove' && at !== undefined && kindOf(at) === 'file') fs.rmSync(at);
    if (ask !== 'read') return { answer: {} };
    const data = at !== undefined && kindOf(at) === 'file' ? read(at, length) : undefined;
    return data === undefined ? { answer: { length: -1 } } : { answer: { length: data.length }, data };
  };

  let pending = Buffer.alloc(0);
  process.stdin.on('data', (bytes: Buffer) => {
    pending = Buffer.concat([pending, bytes]);
    for (let end = pending.indexOf(10); end !== -1; end = pending.indexOf(10)) {
      const question = JSON.parse(pending.toString('utf8', 0, end)) as TreeQuestion;
      const body = question.ask === 'write' ? question.length : 0;
      if (pending.length < end + 1 + body) return;
      const content = pending.subarray(end + 1, end + 1 + body);
      pending = pending.subarray(end + 1 + body);
      let told: { answer: TreeAnswer; data?: Buffer };
      try {
        told = work(question, content);
      } catch (reason) {
        const { code = '', message } = reason as NodeJS.ErrnoException;
        told = { answer: { error: { code, message } } };
      }
      process.stdout.write(`${JSON.stringify(told.answer)}\n`);
      if (told.data !== undefined) process.stdout.write(told.data);
    }
  });
};
