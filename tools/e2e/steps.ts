/** What was done, how long it took, and what was seen. */
export interface Step {
  readonly what: string;
  readonly seconds: number;
  readonly seen: string;
}

const SIGN_OF_LIFE_MILLISECONDS = 60_000;

export interface Steps {
  readonly done: readonly Step[];
  /** Does it, prints when it begins, once a minute meanwhile, and how it ended; `see` tells what was seen in the result. */
  take<T>(what: string, work: () => Promise<T>, see?: (result: T) => string): Promise<T>;
}

export const createSteps = (name: string, print: (line: string) => void): Steps => {
  const done: Step[] = [];
  return {
    done,
    take: async (what, work, see = () => '') => {
      print(`${name}: ${what} …`);
      const begun = performance.now();
      const secondsSince = (): number => (performance.now() - begun) / 1000;
      const timer = setInterval(() => print(`${name}: ${what}: since ${secondsSince().toFixed(0)} s`), SIGN_OF_LIFE_MILLISECONDS);
      try {
        const result = await work();
        const step = { what, seconds: secondsSince(), seen: see(result) };
        done.push(step);
        print(`${name}: ${what}: ${step.seconds.toFixed(1)} s${step.seen === '' ? '' : ` (${step.seen})`}`);
        return result;
      } catch (reason) {
        print(`${name}: ${what}: failed after ${secondsSince().toFixed(1)} s`);
        throw reason;
      } finally {
        clearInterval(timer);
      }
    },
  };
};
