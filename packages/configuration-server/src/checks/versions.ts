const PARTS = /^(\d{1,6})\.(\d{1,6})\.(\d{1,6})/;

const partsOf = (version: string): readonly number[] | undefined => PARTS.exec(version)?.slice(1).map(Number);

/** Above 0 when `a` is newer by its first two numbers; undefined for what is no version. */
export const compareVersions = (a: string, b: string): number | undefined => {
  const [left, right] = [partsOf(a), partsOf(b)];
  if (left === undefined || right === undefined) return undefined;
  return left[0]! - right[0]! || left[1]! - right[1]!;
};

/** Why a member of version `member` does not fit a configuration server of version `own`; undefined when it does. */
export const versionProblem = (member: string, own: string): string | undefined => {
  const order = compareVersions(member, own);
  if (order === undefined) return `its version ${JSON.stringify(member)} cannot be read`;
  if (order > 0) return `it has version ${member}, and the configuration server ${own}`;
  if (partsOf(member)![0] !== partsOf(own)![0]) return `it has version ${member}, too old for ${own}`;
  return undefined;
};
