import { HoldfastError } from '@holdfast/errors';

/** Minor versions before 1.0 that a member may be behind; from then on any of the same major one. */
const BEHIND = 2;

const numbersOf = (version: string): readonly [number, number] | undefined => {
  const [, major, minor] = /^(\d{1,5})\.(\d{1,5})\.\d/.exec(version) ?? [];
  return major === undefined ? undefined : [Number(major), Number(minor)];
};

const refused = (what: string, version: string, why: string, remedy: string): HoldfastError =>
  new HoldfastError('VERSION_MISMATCH', { thing: `${what} of version ${version}`, why, remedy });

/**
 * Upgrades begin with the configuration server: it understands older members, and cannot know what newer ones mean. Throws VERSION_MISMATCH for a
 * member that is newer by major or minor version, or too old. Versions of another form are taken: they are builds that nobody gave out.
 */
export const requireVersion = (what: string, version: string, own: string): void => {
  const [member, server] = [numbersOf(version), numbersOf(own)];
  if (member === undefined || server === undefined) return;
  const [[major, minor], [ownMajor, ownMinor]] = [member, server];
  if (major > ownMajor || (major === ownMajor && minor > ownMinor))
    throw refused(
      what,
      version,
      `the configuration server is of version ${own}, and must not be older than its members`,
      'upgrade in this order: configuration server, process servers, agents; replication goes on meanwhile',
    );
  if (major < ownMajor || (major === 0 && ownMinor - minor > BEHIND))
    throw refused(
      what,
      version,
      `the configuration server is of version ${own} and does not understand it any more`,
      'upgrade it, by way of a version between both where its state has to be carried over',
    );
};
