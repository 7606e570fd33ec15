import { randomBytes } from 'node:crypto';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { fromSystem, HoldfastError, isHoldfastError } from '@holdfast/errors';
import { parse, stringify } from 'yaml';
import { suggestion } from '../choose/near.ts';

/** A configuration server somebody is logged in at. */
export interface Context {
  readonly name: string;
  /** `https://host:port`. */
  readonly server: string;
  /** SHA-256 of the public key of its authority, as it was given at login. */
  readonly fingerprint: string;
  /** The authority's certificate, PEM: nobody else is believed. */
  readonly authority: string;
  readonly token: string;
}

export interface Contexts {
  /** Name of the one that is used unless another is named. */
  readonly current: string | undefined;
  readonly contexts: readonly Context[];
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Where contexts are kept. */
const DIRECTORY_VARIABLE = 'HOLDFAST_CLI_DIRECTORY';
/** Names the context of one command. */
export const CONTEXT_VARIABLE = 'HOLDFAST_CONTEXT';

const NONE: Contexts = { current: undefined, contexts: [] };

/** The file of the contexts: `HOLDFAST_CLI_DIRECTORY`, else as https://specifications.freedesktop.org/basedir says. */
export const contextsFile = (environment: Environment): string => {
  const { HOME, XDG_CONFIG_HOME } = environment;
  const base = XDG_CONFIG_HOME || (HOME && path.join(HOME, '.config'));
  const directory = environment[DIRECTORY_VARIABLE] || (base && path.join(base, 'holdfast'));
  if (directory) return path.join(directory, 'contexts.yaml');
  throw new HoldfastError('SETTING_INVALID', {
    thing: 'HOME',
    why: 'it is not set, so there is no place for contexts',
    remedy: `set ${DIRECTORY_VARIABLE} to a directory of your own`,
  });
};

/** The contexts there are. Errors: NO_PERMISSION when others may read the file, which holds tokens; DAMAGED. */
export const readContexts = async (environment: Environment): Promise<Contexts> => {
  const file = contextsFile(environment);
  let text: string;
  try {
    await using handle = await open(file);
    const { mode } = await handle.stat();
    if ((mode & 0o077) !== 0)
      throw new HoldfastError('NO_PERMISSION', {
        thing: file,
        why: 'it holds tokens, and others than its owner may use it',
        remedy: `chmod 600 ${file}`,
      });
    text = await readFile(handle, 'utf8');
  } catch (reason) {
    const error = fromSystem(reason, file);
    if (isHoldfastError(error, 'OBJECT_NOT_FOUND')) return NONE;
    throw error;
  }
  return parseContexts(text, file);
};

const FIELDS = ['name', 'server', 'fingerprint', 'authority', 'token'] as const;

const parseContexts = (text: string, file: string): Contexts => {
  const damaged = (why: string): HoldfastError =>
    new HoldfastError('DAMAGED', { thing: file, why, remedy: 'remove the file and log in again' });
  let read: unknown;
  try {
    read = parse(text);
  } catch {
    throw damaged('it is no YAML');
  }
  if (read === null) return NONE;
  const { current, contexts } = Object(read) as Record<string, unknown>;
  if (!Array.isArray(contexts)) throw damaged('it lists no contexts');
  if (!contexts.every((one) => FIELDS.every((field) => typeof Object(one)[field] === 'string')))
    throw damaged(`a context has to have ${FIELDS.join(', ')}`);
  return { current: typeof current === 'string' ? current : undefined, contexts: contexts as Context[] };
};

/** Replaces the file in one step; only its owner may read it. */
export const writeContexts = async (environment: Environment, { current, contexts }: Contexts): Promise<void> => {
  const file = contextsFile(environment);
  const fresh = `${file}.${randomBytes(6).toString('hex')}`;
  try {
    await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
    await using handle = await open(fresh, 'wx', 0o600);
    await handle.writeFile(stringify({ ...(current !== undefined && { current }), contexts }));
    await handle.sync();
    await rename(fresh, file);
  } catch (reason) {
    await rm(fresh, { force: true });
    throw fromSystem(reason, file);
  }
};

/** The context that is meant: by name, by `HOLDFAST_CONTEXT`, else the current one. Errors: SIGN_IN_NEEDED, RESOURCE_NOT_FOUND. */
export const chooseContext = ({ current, contexts }: Contexts, environment: Environment, word?: string): Context => {
  const name = word ?? (environment[CONTEXT_VARIABLE] || current);
  const meant = contexts.find((one) => one.name === name);
  if (meant !== undefined) return meant;
  if (contexts.length === 0 || name === undefined)
    throw new HoldfastError('SIGN_IN_NEEDED', {
      thing: 'configuration server',
      why: contexts.length === 0 ? 'you are logged in at none' : 'you are logged in at several, and none of them is in use',
      remedy: contexts.length === 0 ? 'see `holdfast login --help`' : 'choose one with `holdfast context use NAME`',
    });
  throw new HoldfastError('RESOURCE_NOT_FOUND', {
    thing: `context ${name}`,
    why: `there is none of this name; ${suggestion(
      name,
      contexts.map((one) => one.name),
    )}`,
    remedy: 'see `holdfast context list`',
  });
};
