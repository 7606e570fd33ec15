import type { Screen } from '../output/screen.ts';
import { cleanUp } from './clean-up.ts';
import { type FoundRecord, findLeftovers } from './run-record.ts';

/** Takes away what a run made and tells what did not go; true when all did. */
export const takeAway = async (screen: Screen, { file, record }: FoundRecord, keepFiles = false): Promise<boolean> => {
  const { failures, held } = await cleanUp(file, record, { keepFiles });
  for (const failure of failures) screen.line(`could not be taken away: ${failure}`);
  if (held.length > 0) screen.line(`${held.join(', ')}: held by another mount namespace (a container?), detached as soon as that ends`);
  return failures.length === 0;
};

/** Takes away what runs left that were killed. */
export const removeLeftovers = async (screen: Screen): Promise<void> => {
  for (const one of findLeftovers()) {
    if (await takeAway(screen, one)) screen.line(`removed what an earlier run left in ${one.record.directory}`);
  }
};
