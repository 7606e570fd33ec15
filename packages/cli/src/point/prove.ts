import { Command, Option } from 'commander';
import { jobResult, type WaitOptions, waitOption } from '../job/job-result.ts';
import { describeProof, failureWords, provenWords } from '../proof/describe-proof.ts';
import { type CheckOptions, checkOptions, scheduleTold } from '../proof/schedule-options.ts';
import { required } from '../site/required.ts';
import { findMachine } from '../site/resources.ts';
import { answerFromSite, type SiteOptions, siteOptions } from '../site/with-site.ts';
import type { Surroundings } from '../surroundings.ts';

interface ProveOptions extends SiteOptions, WaitOptions, CheckOptions {
  readonly point: string;
}

const HELP = `
Has a process server start a point in a network of its own, wait until it is up, look, and take it all
away. What came of it is signed by that server and kept in the vault with the point; the newest point that
was proven is never forgotten by retention. Replication goes on, and nothing else waits for it.
How it is looked at stands in the policy unless it is said here; \`policy set --prove-every\` does this by
itself. With --wait the status is 1 when the point did not come up.

Examples:
  holdfast point prove db1 --wait
  holdfast point prove db1 --point latest-application --prove-port 5432 --prove-script ledger-is-whole --wait`;

export const provePointCommand = (surroundings: Surroundings): Command =>
  checkOptions(
    siteOptions(
      new Command('prove').description('start a point in isolation and record whether it came up').argument('<machine>', 'name or id'),
    ),
  )
    .addOption(new Option('-p, --point <point>', 'which point').default('latest-processed'))
    .addOption(waitOption())
    .addHelpText('after', HELP)
    .action((word: string, options: ProveOptions) =>
      answerFromSite(surroundings, options, async (site) => {
        const machine = await findMachine(site, word);
        const checks = scheduleTold(options);
        const { job } = await site.recoveries.provePoint({
          machine: machine.id,
          point: options.point,
          ...(checks === undefined ? {} : { checks }),
        });
        const answer = await jobResult(surroundings, site, options, required(job, word), machine);
        if (options.wait !== true) return answer;
        const proof = describeProof((await findMachine(site, machine.id)).lastProof);
        if (proof === null) return answer;
        if (!proof.passed) surroundings.onFindings();
        const words = proof.passed
          ? `PROVEN: point ${provenWords(proof)}`
          : `NOT PROVEN: point ${proof.point.slice(0, 12)}: ${failureWords(proof)}`;
        return { data: { job: answer.data, proof }, people: [...answer.people, { line: words }] };
      }),
    );
