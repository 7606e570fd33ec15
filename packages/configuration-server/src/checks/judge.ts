import { VERSION } from '@holdfast/daemon';
import {
  type AgentHello,
  type AgentReport,
  CheckResult,
  type Finding,
  idText,
  type Manifest,
  missed,
  passed,
  type RecoveryTarget,
  type ServerHello,
  type ServerReport,
  unknown,
} from '@holdfast/protocol';
import type { Known } from '../control/presence.ts';
import type { Answer } from './ask-member.ts';
import { judgeBridges } from './look-at-bridges.ts';
import { compareVersions, versionProblem } from './versions.ts';

export type KnownAgent = Known<AgentHello, AgentReport>;
export type KnownServer = Known<ServerHello, ServerReport>;

/** A process server that may receive the machine, with what it found. */
export interface JudgedServer {
  readonly name: string;
  readonly known: KnownServer;
  readonly answer: Answer;
  /** What its settings call the vault. */
  readonly calls: string;
}

/** Everything that the checks of this server rest on. */
export interface CheckFacts {
  readonly machine: { readonly name: string; readonly known: KnownAgent | undefined; readonly answer: Answer };
  readonly manifest: Manifest | undefined;
  readonly excluded: readonly string[];
  readonly vault: string;
  /** Connected process servers that have a vault of that name and cannot open it, with the reason. */
  readonly unopened: readonly { readonly name: string; readonly problem: string }[];
  /** Why its line in the vault is fenced for good, in words; empty: it is not. */
  readonly fenced: string;
  /** The name of the one server that is wanted; empty for any. */
  readonly wantedServer: string;
  readonly servers: readonly JudgedServer[];
  /** The process server that would run the machine, where the target names a bridge. */
  readonly runner: { readonly name: string; readonly answer: Answer } | undefined;
  readonly policy: { readonly name: string; readonly isThere: boolean };
  readonly target: Pick<RecoveryTarget, 'fabric' | 'network' | 'testNetwork'> | undefined;
  /** Fabrics that connected process servers run machines on. */
  readonly fabrics: readonly { readonly name: string; readonly ready: boolean; readonly detail: string }[];
}

const SECTORS = [512, 4096];
/** Milliseconds by which clocks may differ; how long a report is on its way counts too. */
const CLOCKS = 5000;

const clock = (code: 'machine-clock' | 'server-clock', thing: string, known: KnownAgent | KnownServer): Finding[] => {
  const told = Number(known.report?.unixMillis ?? 0n);
  if (told === 0) return [];
  const ahead = told - known.lastSeen;
  const words = `${Math.abs(ahead / 1000).toFixed(1)} s ${ahead < 0 ? 'behind' : 'ahead'}`;
  return [Math.abs(ahead) < CLOCKS ? passed(code, thing, `its clock is ${words}`) : missed(code, thing, `its clock is ${words}`)];
};

const answered = (code: 'machine-answers' | 'server-answers', thing: string, answer: Answer): Finding => {
  if (answer === 'unable') return unknown(code, thing, 'it has not reported yet, or its version does not look around');
  return answer === 'late'
    ? missed(code, thing, 'it was asked to look around, and did not answer in time')
    : passed(code, thing, 'it looked around and told what it found');
};

const machineFindings = ({ machine: { name, known, answer } }: CheckFacts): Finding[] => {
  if (known?.connected !== true) return [missed('machine-connected', name, 'it is not connected')];
  const problem = versionProblem(known.hello.version, VERSION);
  return [
    passed('machine-connected', name, 'it is connected'),
    answered('machine-answers', name, answer),
    problem === undefined
      ? passed('machine-version', name, `it has version ${known.hello.version}`)
      : missed('machine-version', name, problem),
    ...clock('machine-clock', name, known),
  ];
};

const diskFindings = ({ machine: { name: machine }, manifest, excluded }: CheckFacts): Finding[] => {
  const disks = manifest?.disks.filter(({ id }) => !excluded.includes(idText(id))) ?? [];
  if (disks.length === 0) {
    const none = manifest === undefined || manifest.disks.length === 0;
    return [missed('disks-there', machine, none ? 'it has told of no disk that could be protected' : 'all its disks are excluded')];
  }
  return [
    passed('disks-there', machine, disks.length === 1 ? '1 disk' : `${disks.length} disks`),
    ...disks.flatMap(({ name, size, logicalSectorSize }) => [
      SECTORS.includes(logicalSectorSize)
        ? passed('disk-sectors', name, `sectors of ${logicalSectorSize} bytes`)
        : missed('disk-sectors', name, `it has sectors of ${logicalSectorSize} bytes`),
      size > 0n && size % 512n === 0n
        ? passed('disk-size', name, `${size} bytes`)
        : missed('disk-size', name, `it has a size of ${size} bytes`),
    ]),
  ];
};

const serverFindings = ({ machine, vault, wantedServer, servers, unopened }: CheckFacts): Finding[] => {
  if (vault === '') return [missed('vault-named', 'vault', 'no process server with a vault is connected')];
  const named = passed('vault-named', vault, 'it is named');
  if (servers.length === 0) {
    if (unopened.length > 0) return [named, ...unopened.map(({ name, problem }) => missed('vault-key', vault, `${name}: ${problem}`))];
    const why =
      wantedServer === ''
        ? `no connected process server holds the vault ${vault}`
        : `${wantedServer} is not connected, is drained, or does not hold the vault ${vault}`;
    return [named, missed('server-connected', wantedServer || vault, why)];
  }
  return [
    named,
    ...servers.flatMap(({ name, known, answer }) => {
      const agent = machine.known?.hello.version ?? '';
      const isOlder = (compareVersions(known.hello.version, agent) ?? 0) < 0;
      const problem =
        versionProblem(known.hello.version, VERSION) ??
        (isOlder ? `it has version ${known.hello.version}, and the agent ${agent}` : undefined);
      return [
        passed('server-connected', name, `it is connected and holds the vault ${vault}`),
        answered('server-answers', name, answer),
        problem === undefined
          ? passed('server-version', name, `it has version ${known.hello.version}`)
          : missed('server-version', name, problem),
        ...clock('server-clock', name, known),
      ];
    }),
  ];
};

/** Fabrics whose tests run isolated whatever network is named. */
const ISOLATED: ReadonlySet<string> = new Set(['qemu']);

const targetFindings = ({ target, fabrics, runner }: CheckFacts): Finding[] => {
  if (target === undefined) return [];
  const { fabric, network, testNetwork } = target;
  const ready = fabrics.find((one) => one.name === fabric && one.ready);
  const why = fabrics.find(({ name }) => name === fabric)?.detail || `no connected process server runs machines on ${fabric}`;
  const missingNetwork = network === '' || testNetwork === '' || network === testNetwork;
  const networkFinding = missingNetwork
    ? missed(
        'target-network',
        fabric,
        network === '' || testNetwork === '' ? 'network and network of tests are not both named' : 'tests would run in the network itself',
      )
    : passed('target-network', fabric, `${network}, tests in ${testNetwork}`);
  return [
    ready === undefined ? missed('target-fabric', fabric, why) : passed('target-fabric', fabric, ready.detail || 'it is ready'),
    ...(ISOLATED.has(fabric) ? [] : [networkFinding]),
    ...(runner === undefined ? [] : judgeBridges(target, runner.name, runner.answer)),
  ];
};

const ofMember = (answer: Answer): readonly Finding[] => (typeof answer === 'string' ? [] : answer.findings);

/** Where a machine reaches one address of a server, others that it does not reach are no failure. */
const reachable = (findings: readonly Finding[]): Finding[] => {
  const some = findings.some(({ code, result }) => code === 'server-reachable' && result === CheckResult.PASSED);
  return findings.map((one) =>
    some && one.code === 'server-reachable' && one.result === CheckResult.FAILED ? { ...one, result: CheckResult.WARNING } : one,
  );
};

const GRAVEST_FIRST: readonly number[] = [
  CheckResult.FAILED,
  CheckResult.WARNING,
  CheckResult.UNKNOWN,
  CheckResult.UNSPECIFIED,
  CheckResult.PASSED,
];
const gravityOf = ({ result }: Finding): number => GRAVEST_FIRST.indexOf(result);

/** What a process server says of each vault that it has. */
const OF_ONE_VAULT: ReadonlySet<string> = new Set(['vault-key', 'vault-rights', 'vault-space']);

/** Findings about the vault that is meant by what its server calls it; those about others say nothing here, nor do bridges, which others asked for too. */
const ofVault = (finding: Finding, calls: string, vault: string): readonly Finding[] => {
  if (finding.code === 'target-bridge') return [];
  if (!OF_ONE_VAULT.has(finding.code)) return [finding];
  return finding.thing === calls ? [{ ...finding, thing: vault }] : [];
};

/** All findings at once, the gravest first. */
export const judge = (facts: CheckFacts): readonly Finding[] => {
  const { machine, vault, servers, policy, excluded, manifest } = facts;
  const left = new Set(manifest?.disks.filter(({ id }) => excluded.includes(idText(id))).map(({ name }) => name));
  // Of other vaults of a server nothing rests on, and of disks that are excluded neither.
  const concerns = ({ code, thing }: Finding): boolean =>
    code === 'disk-kind' ? !left.has(thing) && !left.has(thing.replace('/dev/', '')) : true;
  const found = [
    ...machineFindings(facts),
    ...diskFindings(facts),
    ...serverFindings(facts),
    policy.isThere ? passed('policy-there', policy.name, 'it is there') : missed('policy-there', policy.name, 'there is no such policy'),
    facts.fenced === ''
      ? passed('line-open', machine.name, 'no failover of it was committed')
      : missed('line-open', machine.name, facts.fenced),
    ...targetFindings(facts),
    ...reachable(ofMember(machine.answer)),
    ...servers.flatMap(({ answer, calls }) => ofMember(answer).flatMap((one) => ofVault(one, calls, vault))),
  ];
  return found.filter(concerns).toSorted((a, b) => gravityOf(a) - gravityOf(b));
};
