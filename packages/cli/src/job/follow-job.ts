import { type Job, JobState } from '@holdfast/protocol';
import { formatSeconds, printable } from '../output/format.ts';
import { createStatusLine } from '../output/status-line.ts';
import { pause, reconnecting } from '../site/reconnecting.ts';
import type { Site } from '../site/site.ts';
import { jobStateWord } from '../site/words.ts';
import type { Surroundings } from '../surroundings.ts';
import { hasEnded } from './describe-job.ts';

const BAR = 24;

/** Follows a job to its end, through lost connections; steps and progress are told on stderr. */
export const followJob = async (surroundings: Surroundings, site: Site, id: string): Promise<Job> => {
  const { stderr, stop } = surroundings;
  const status = createStatusLine(stderr);
  const told = new Set<string>();
  try {
    for (;;) {
      for await (const { job } of reconnecting(() => site.jobs.watchJob({ id }), { stop, status })) {
        if (job === undefined) continue;
        for (const line of [...newlyEnded(job, told), ...newQuestion(job, told)]) status.line(line);
        if (hasEnded(job)) return job;
        status.status(progressLine(job));
      }
      // A server that stops ends its streams in order.
      await pause(stop);
    }
  } finally {
    status.end();
  }
};

/** A line for each step that ended since the last look. */
const newlyEnded = ({ steps }: Job, told: Set<string>): string[] => {
  const lines: string[] = [];
  for (const [at, { name, state, startedUnixMillis, endedUnixMillis, detail }] of steps.entries()) {
    const key = `${at} ${name} ${state}`;
    if (endedUnixMillis === 0n || told.has(key)) continue;
    told.add(key);
    const took = startedUnixMillis === 0n ? '' : ` (${formatSeconds(Number(endedUnixMillis - startedUnixMillis) / 1000)})`;
    lines.push(printable(`${jobStateWord(state)}: ${name}${detail === '' ? '' : `, ${detail}`}${took}`));
  }
  return lines;
};

/** What the job asks, once for each question. */
const newQuestion = ({ id, question }: Job, told: Set<string>): string[] => {
  if (question === undefined || told.has(question.id)) return [];
  told.add(question.id);
  return [
    printable(`waits for an answer: ${question.text}`),
    ...question.choices.map(({ word, meaning }) => printable(`  holdfast job answer ${id.slice(0, 12)} ${word}   ${meaning}`)),
  ];
};

/** `protect [############------------] 50 %  copy the disks: 3.1 GiB of 6.2 GiB` */
const progressLine = ({ kind, state, progress, steps }: Job): string => {
  const step = steps.find((one) => one.state === JobState.RUNNING || one.state === JobState.WAITING_FOR_INPUT);
  const doing = step === undefined ? jobStateWord(state) : `${step.name}${step.detail === '' ? '' : `: ${step.detail}`}`;
  if (progress < 0) return printable(`${kind}  ${doing}`);
  const share = Math.min(1, progress);
  const full = Math.round(share * BAR);
  return printable(`${kind} [${'#'.repeat(full)}${'-'.repeat(BAR - full)}] ${Math.floor(share * 100)} %  ${doing}`);
};
