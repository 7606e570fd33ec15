import type { RecoveryPoint } from '@holdfast/protocol';
import { Command, Option } from 'commander';
import { parseCount } from '../parse-count.ts';
import { parseInstant } from '../parse-instant.ts';
import { describeProof, describeWriting } from '../proof/describe-proof.ts';
import { describePoint, type PointsAround, pointsAnswer } from '../recovery/describe-recovery.ts';
import { readPages } from '../site/read-pages.ts';
import { findMachine } from '../site/resources.ts';
import { answerFromSite, type SiteOptions, siteOptions } from '../site/with-site.ts';
import type { Surroundings } from '../surroundings.ts';

interface ListOptions extends SiteOptions {
  readonly limit: number;
  readonly before?: string;
  readonly since?: string;
  readonly point?: string;
}

const HELP = `
Recovery points of a machine, newest first, as its process server finds them in the vault, with what
changed since the one before, the newest proof of each (\`point prove\`), and whether it lies in a time in
which the machine wrote as it never did before: files may have been encrypted. The last point before such
a time is named; behind the list such times are told, and the last proven point. With --point
only the one that a word means: latest-processed, latest-filesystem, latest-application, the beginning of
an id, or a time: then the newest at or before it.

Examples:
  holdfast point list db1
  holdfast point list db1 --before 2026-11-22T01:02:03Z --limit 5
  holdfast point list db1 --point 2026-11-22T01:02:03Z`;

export const listPointsCommand = (surroundings: Surroundings): Command =>
  siteOptions(new Command('list').alias('ls').description('list the recovery points of a machine').argument('<machine>', 'name or id'))
    .addOption(new Option('--limit <count>', 'points at most').argParser(parseCount).default(20))
    .addOption(new Option('--before <time>', 'at or before a time, or 24h ago: 24h'))
    .addOption(new Option('--since <time>', 'at or after a time, or 24h ago: 24h'))
    .addOption(new Option('-p, --point <point>', 'the one that is meant by this').conflicts(['before', 'since']))
    .addHelpText('after', HELP)
    .action((word: string, options: ListOptions) =>
      answerFromSite(surroundings, options, async (site) => {
        const { id: machine } = await findMachine(site, word);
        const now = surroundings.now();
        if (options.point !== undefined) {
          const { point } = await site.recoveries.resolvePoint({ machine, point: options.point });
          return pointsAnswer(point === undefined ? [] : [describePoint(point, now)], 1);
        }
        const at = (time: string | undefined): bigint => (time === undefined ? 0n : BigInt(parseInstant(time, now)));
        let total = 0;
        let around: PointsAround = { writings: [], lastProven: null };
        const points: RecoveryPoint[] = await readPages(async (request) => {
          const found = await site.recoveries.listPoints({
            ...request,
            machine,
            fromUnixMillis: at(options.since),
            toUnixMillis: at(options.before),
          });
          total = Number(found.total);
          around = { writings: found.unusualWriting.map(describeWriting), lastProven: describeProof(found.lastProven) };
          return { rows: found.points, nextPageToken: found.nextPageToken };
        }, options.limit);
        return pointsAnswer(
          points.map((point) => describePoint(point, now)),
          total,
          around,
        );
      }),
    );
