import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import { type Verdict, verifyProof } from '@holdfast/fabric';
import { type Finding, listProofs, type RecordedProof } from '@holdfast/vault';
import { Command, Option } from 'commander';
import { machineLabel } from '../choose/choose-machine.ts';
import { writeAnswer } from '../output/answer.ts';
import { formatTime } from '../output/format.ts';
import type { Cell } from '../output/table.ts';
import { parseCount } from '../parse-count.ts';
import type { Surroundings } from '../surroundings.ts';
import { machineOption, readChosenMachine, STORE_HELP, type VaultOptions, vaultOptions, withVault } from '../vault/with-vault.ts';

interface ProofsOptions extends VaultOptions {
  readonly machine?: string;
  readonly signer?: readonly string[];
  readonly limit: number;
  readonly to?: string;
}

const HELP = `
Lists what came of starting points in isolation (\`recover prove\`), newest first, and verifies each:
that it is signed, is about this machine and a log that is this one's, and that console and screen are
those that were signed. Whom to trust is said by --signer, the fingerprint that \`recover prove\` told;
without it every signature is good. Status 1 when one of them is not what it says.

Examples:
  holdfast recover proofs --vault file:/srv/vault --key-file office.key --machine db1
  holdfast recover proofs --vault file:/srv/vault --key-file office.key --machine db1 --signer 5f3c… --to ./proofs

${STORE_HELP}`;

const fingerprint = (text: string, before: readonly string[] = []): readonly string[] => {
  if (/^[0-9a-f]{64}$/i.test(text)) return [...before, text.toLowerCase()];
  throw new HoldfastError('SETTING_INVALID', {
    thing: `--signer ${text}`,
    why: 'it is no SHA-256',
    remedy: 'give all 64 hexadecimal digits',
  });
};

export const proofsCommand = (surroundings: Surroundings): Command =>
  vaultOptions(new Command('proofs').description('list and verify what came of starting points'))
    .addOption(machineOption())
    .addOption(new Option('--signer <fingerprint>', 'of a key whose signatures count; repeatable').argParser(fingerprint))
    .addOption(new Option('--limit <count>', 'the newest so many').argParser(parseCount).default(20))
    .addOption(new Option('--to <directory>', 'write report, console and screen of each into files there'))
    .addHelpText('after', HELP)
    .action((options: ProofsOptions) => proofs(surroundings, options));

const proofs = (surroundings: Surroundings, options: ProofsOptions): Promise<void> =>
  withVault(surroundings, options, async (vault) => {
    const history = await readChosenMachine(surroundings, vault, options.machine);
    const found: { readonly proof: RecordedProof; readonly verdict: Verdict }[] = [];
    const unreadable: Finding[] = [];
    const { signer: signers, limit } = options;
    for await (const proof of listProofs(vault, history.machine.id, (one) => unreadable.push(one))) {
      surroundings.stop.throwIfAborted();
      const verdict = verifyProof(proof, { vault: vault.id, machine: history.machine.id, tags: history.tags, ...(signers && { signers }) });
      found.push({ proof, verdict });
      if (found.length >= limit) break;
    }
    const times = new Map(history.points.map(({ id, time }) => [id, time]));
    if (options.to !== undefined) for (const { proof } of found) await writeFiles(options.to, proof);
    writeAnswer(surroundings, options, {
      data: found.map(({ proof: { number, pointId, time, passed }, verdict: { signer, faults, report } }) => ({
        proof: number,
        point: pointId,
        pointThere: times.has(pointId),
        proven: formatTime(time),
        passed,
        signer,
        faults,
        steps: report?.steps ?? [],
      })),
      people: [
        ...(found.length === 0
          ? [{ line: `No point of ${machineLabel(history.machine)} was tried yet; \`holdfast recover prove\` does.` }]
          : [
              {
                columns: [
                  { heading: 'PROOF', right: true },
                  { heading: 'PROVEN' },
                  { heading: 'RESULT' },
                  { heading: 'POINT' },
                  { heading: 'OF' },
                  { heading: 'SIGNER', shrink: true },
                ],
                rows: found.map(({ proof, verdict }) => [
                  String(proof.number),
                  formatTime(proof.time),
                  resultCell(proof, verdict),
                  proof.pointId.slice(0, 12),
                  times.has(proof.pointId) ? formatTime(times.get(proof.pointId)!) : 'gone',
                  verdict.signer,
                ]),
              },
              ...found.flatMap(({ proof: { number }, verdict: { faults } }) =>
                faults.map((fault) => ({ line: `WORTHLESS proof ${number}: ${fault}` })),
              ),
            ]),
        ...unreadable.map(({ object, why }) => ({ line: `UNREADABLE ${object}: ${why}` })),
      ],
    });
    if (unreadable.length > 0 || found.some(({ verdict }) => verdict.faults.length > 0)) surroundings.onFindings();
  });

const resultCell = ({ passed }: RecordedProof, { faults }: Verdict): Cell =>
  faults.length > 0 ? { text: 'worthless', tone: 'bad' } : passed ? { text: 'passed', tone: 'good' } : { text: 'failed', tone: 'bad' };

const writeFiles = async (
  directory: string,
  { number, report, signature, publicKey, console, screenshot }: RecordedProof,
): Promise<void> => {
  const files = {
    'report.json': report,
    'report.sig': signature,
    'signer.der': publicKey,
    'console.txt': console,
    'screen.png': screenshot,
  };
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    for (const [name, content] of Object.entries(files))
      if (content.length > 0) await writeFile(path.join(directory, `${number}-${name}`), content, { mode: 0o600 });
  } catch (reason) {
    throw fromSystem(reason, directory);
  }
};
