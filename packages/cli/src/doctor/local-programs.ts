import { COMPONENTS, type Component, healthAddress } from './ports.ts';

/** What a program on this machine says of itself. */
export interface LocalProgram {
  readonly program: Component;
  readonly address: string;
  /** Undefined: nobody listens there. */
  readonly health: { readonly ready: boolean; readonly problems: readonly string[] } | undefined;
  readonly text: string;
}

const PATIENCE = 3000;
const LONGEST = 1024 * 1024;

/** The text at a path of a program's own listener; undefined when there is none. */
export const askProgram = async (address: string, path: string, stop: AbortSignal): Promise<string | undefined> => {
  try {
    const answer = await fetch(`http://${address}${path}`, { signal: AbortSignal.any([stop, AbortSignal.timeout(PATIENCE)]) });
    return (await answer.text()).slice(0, LONGEST);
  } catch {
    return undefined;
  }
};

const problemsOf = (text: string): LocalProgram['health'] => {
  try {
    const { ready, checks } = JSON.parse(text) as { ready?: unknown; checks?: readonly { name?: unknown; problem?: unknown }[] };
    const problems = (Array.isArray(checks) ? checks : []).filter(({ problem }) => typeof problem === 'string');
    return { ready: ready === true, problems: problems.map(({ name, problem }) => `${name}: ${problem}`) };
  } catch {
    return { ready: false, problems: ['it answers something that is no health'] };
  }
};

/** The programs of Holdfast here; `addresses` of those that listen elsewhere than usual. */
export const localPrograms = (addresses: ReadonlyMap<string, string>, stop: AbortSignal): Promise<LocalProgram[]> =>
  Promise.all(
    COMPONENTS.map(async (program) => {
      const address = addresses.get(program) ?? healthAddress(program);
      const text = await askProgram(address, '/healthz', stop);
      return { program, address, health: text === undefined ? undefined : problemsOf(text), text: text ?? '' };
    }),
  );
