import type { ListJobsRequest } from '@holdfast/protocol';
import { stateOf } from '../jobs/job-message.ts';
import type { JobFilter } from '../jobs/list-jobs.ts';
import { checkLine, requestInvalid } from '../request-invalid.ts';

const MOST_WORDS = 20;

/** What a request wants to see of the jobs. Throws REQUEST_INVALID. */
export const jobFilter = (
  { kinds, states, startedBy, sinceUnixMillis, untilUnixMillis }: ListJobsRequest,
  machineId: string,
): JobFilter => {
  if (kinds.length > MOST_WORDS || states.length > MOST_WORDS) throw requestInvalid('kinds and states', 'they are too many', 'name fewer');
  for (const kind of kinds) checkLine(kind, 'kinds', 40);
  const wanted = states.map((state) => {
    const found = stateOf(state);
    if (found === undefined) throw requestInvalid('states', `${state} is none`, 'use those of the API');
    return found;
  });
  checkLine(startedBy, 'started_by', 200);
  return {
    machineId,
    kinds: new Set(kinds),
    states: new Set(wanted),
    startedBy,
    ...(sinceUnixMillis === 0n ? {} : { since: Number(sinceUnixMillis) }),
    ...(untilUnixMillis === 0n ? {} : { until: Number(untilUnixMillis) }),
  };
};
