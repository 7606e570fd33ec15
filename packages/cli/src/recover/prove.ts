import type { KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { parseBytes } from '@holdfast/daemon';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import {
  createAdaptation,
  DISK_CONTROLLERS,
  LOGIN_PROMPT,
  openSigningKey,
  provePoint,
  readSigningKey,
  signerFingerprint,
} from '@holdfast/fabric';
import { Command, Option } from 'commander';
import { machineLabel } from '../choose/choose-machine.ts';
import { choosePoint } from '../choose/choose-point.ts';
import { writeAnswer } from '../output/answer.ts';
import { formatTime } from '../output/format.ts';
import { parseCount } from '../parse-count.ts';
import { parseSeconds } from '../parse-seconds.ts';
import type { Surroundings } from '../surroundings.ts';
import {
  machineOption,
  pointOption,
  readChosenMachine,
  STORE_HELP,
  type VaultOptions,
  vaultOptions,
  withVault,
} from '../vault/with-vault.ts';
import { directoryOption, openPlace, type PlaceOptions } from './recovery-place.ts';

interface ProveOptions extends VaultOptions, PlaceOptions {
  readonly machine?: string;
  readonly point: string;
  readonly console?: RegExp;
  readonly port?: readonly number[];
  readonly script?: string;
  readonly agent?: true;
  readonly fsck?: true;
  readonly patience: number;
  readonly signingKey?: string;
  readonly adapt: boolean;
  readonly memory?: number;
  readonly firmware?: 'bios' | 'uefi';
  readonly controller?: (typeof DISK_CONTROLLERS)[number];
}

const HELP = `
Starts a point in a network of its own from which nothing gets out, waits until it is up, looks, and
takes it all away. What came of it (each step, the end of the console, the screen) is signed and kept
in the vault with the point; the newest point that was proven is never forgotten by retention. It
counts as proven when the pattern appeared on the console, the agent inside said that it is up and
sends nothing (--agent), every port answered, the file systems are sound (--fsck) and the script ended
with 0. Else the status is 1.

The script gets HOLDFAST_PORT_<port>, the port of 127.0.0.1 that leads to the machine's, and
HOLDFAST_CONSOLE, a file with all that its console printed.

Examples:
  holdfast recover prove --vault file:/srv/vault --key-file office.key --machine db1
  holdfast recover prove --vault file:/srv/vault --key-file office.key --machine db1 --port 5432 --script ./ledger-is-whole --fsck

${STORE_HELP}`;

const pattern = (text: string): RegExp => {
  try {
    return new RegExp(text, 'm');
  } catch (reason) {
    throw new HoldfastError('SETTING_INVALID', {
      thing: '--console',
      why: (reason as Error).message,
      remedy: 'give a regular expression of JavaScript',
    });
  }
};

const port = (text: string, before: readonly number[] = []): readonly number[] => {
  const number = parseCount(text);
  if (number > 0 && number < 65_536) return [...before, number];
  throw new HoldfastError('SETTING_INVALID', { thing: `--port ${text}`, why: 'no port has such a number', remedy: 'give one up to 65535' });
};

export const proveCommand = (surroundings: Surroundings): Command =>
  vaultOptions(new Command('prove').description('start a point in isolation and record whether it came up'))
    .addOption(machineOption())
    .addOption(pointOption())
    .addOption(new Option('--console <pattern>', 'has to appear on the serial console; a login prompt unless told').argParser(pattern))
    .addOption(new Option('--port <port>', 'of the machine, at which something has to answer; repeatable').argParser(port))
    .addOption(new Option('--script <file>', 'a program of this host that decides last: status 0 is well'))
    .addOption(new Option('--agent', 'the agent inside has to be up, and to say that it sends nothing'))
    .addOption(new Option('--fsck', 'check the file systems of the point too; needs root'))
    .addOption(new Option('--patience <time>', 'that each of them may take').argParser(parseSeconds).default(600, '10min'))
    .addOption(new Option('--signing-key <file>', 'Ed25519 in PEM; proof.key in --directory unless told, made when it is not there'))
    .addOption(new Option('--memory <bytes>', 'as at the source, as far as this host can, unless told').argParser(parseBytes))
    .addOption(new Option('--firmware <firmware>', 'as at the source unless told').choices(['bios', 'uefi']))
    .addOption(
      new Option('--controller <controller>', 'what disks hang on; what its system can drive unless told').choices(DISK_CONTROLLERS),
    )
    .addOption(new Option('--no-adapt', 'start its system as it is, without fitting it to other hardware'))
    .addOption(directoryOption())
    .addHelpText('after', HELP)
    .action((options: ProveOptions) => prove(surroundings, options));

const prove = (surroundings: Surroundings, options: ProveOptions): Promise<void> =>
  withVault(surroundings, options, async (vault) => {
    const { stderr, stop, now } = surroundings;
    const history = await readChosenMachine(surroundings, vault, options.machine);
    const point = choosePoint(history, options.point);
    const place = openPlace(options);
    const signingKey = await signingKeyOf(options);
    stderr.write(`Proving ${machineLabel(history.machine)} as of ${formatTime(point.time)}\n`);
    const scratch = path.resolve(options.directory, 'proofs');
    const proof = await provePoint({
      vault,
      machineId: history.machine.id,
      pointId: point.id,
      fabric: place.fabric,
      directory: place.recoveries,
      ...(options.adapt && { adapt: createAdaptation({ scratch, pointTime: point.time, now }) }),
      hardware: {
        ...(options.memory !== undefined && { memoryBytes: Math.floor(options.memory / 2 ** 20) * 2 ** 20 }),
        ...(options.firmware && { firmware: options.firmware }),
        ...(options.controller && { controller: options.controller }),
      },
      console: options.console ?? LOGIN_PROMPT,
      ports: options.port ?? [],
      ...(options.script !== undefined && { script: path.resolve(options.script) }),
      awaitAgent: options.agent === true,
      checkFileSystems: options.fsck === true,
      patience: options.patience * 1000,
      signingKey,
      now,
      onStep: ({ name, passed, detail, seconds }) => stderr.write(`  ${passed ? 'well' : 'FAILED'}  ${name}: ${detail} (${seconds} s)\n`),
      signal: stop,
    });
    const { number, passed } = proof;
    const report = JSON.parse(Buffer.from(proof.report).toString('utf8')) as { steps: unknown };
    const signer = signerFingerprint(proof.publicKey);
    writeAnswer(surroundings, options, {
      data: {
        machine: history.machine.id,
        point: point.id,
        time: formatTime(point.time),
        proof: number,
        passed,
        steps: report.steps,
        signer,
      },
      people: [
        { line: `${machineLabel(history.machine)} at ${formatTime(point.time)} is ${passed ? 'proven' : 'NOT PROVEN'} (proof ${number}).` },
        { line: `Signed by ${signer}` },
        { line: '  holdfast recover proofs --to DIRECTORY   writes report, console and screen into files' },
      ],
    });
    if (!passed) surroundings.onFindings();
  });

/** Made where there is none: whoever holds the vault's key and this host can prove, and says so by a key of its own. One that is named has to be there. */
const signingKeyOf = async ({ signingKey, directory }: ProveOptions): Promise<KeyObject> => {
  if (signingKey === undefined) return openSigningKey(path.resolve(directory, 'proof.key'));
  const file = path.resolve(signingKey);
  try {
    return readSigningKey(await readFile(file, 'utf8'), file);
  } catch (reason) {
    throw fromSystem(reason, file);
  }
};
