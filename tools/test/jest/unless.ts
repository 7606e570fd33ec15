import { isPresent } from '../../setup/presence.ts';

/**
 * Skipping with a reason. `it.unless(reason, name, body)` and `describe.unless(reason, name, body)` are `it` and `describe`, but when
 * `reason` is a string the tests are skipped and counted with it. `lacks('root', 'fio', '/dev/fuse')` makes such a reason out of what
 * this machine does not have. A plain `it.skip` or `it.only` fails the run: nothing is left out without saying why.
 */
const lacks = (...things: string[]): string | undefined => {
  const missing = things.filter((thing) => (thing === 'root' ? process.getuid?.() !== 0 : !isPresent(thing)));
  return missing.length === 0 ? undefined : `needs ${missing.join(', ')}`;
};

/** The reporter finds the reason in the title: jest keeps nothing else of a skipped test. */
const titled = (name: string, reason: string): string => `${name} [skipped: ${reason.replaceAll(']', ')')}]`;

Object.assign(globalThis, { lacks });
for (const plain of [it, test]) {
  plain.unless = (reason, name, body, timeout) =>
    reason === undefined ? plain(name, body as jest.EmptyFunction, timeout) : plain.skip(titled(name, reason), body as jest.EmptyFunction);
}
describe.unless = (reason, name, body) => (reason === undefined ? describe(name, body) : describe.skip(titled(name, reason), body));
