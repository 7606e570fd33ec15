import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { createQemuFabric, type Fabric } from '@holdfast/fabric';
import { findSilentAgent } from '@holdfast/protocol';
import { until } from '../lab/host/until.ts';
import { type ConsoleSession, openSession } from '../recovery/console-session.ts';
import type { Servers } from '../site/servers.ts';
import { checkLedger, type LedgerFinding } from './ledger-check.ts';
import { SERVER_PASSWORD } from './server-image.ts';
import type { SourceServer } from './source-server.ts';
import type { Steps } from './steps.ts';

/** What a server and its ledger are looked at with. Ten times what an emulated processor beside other work takes. */
export const PATIENCE = { console: 1_200_000, seconds: 1_800 } as const;
/** What its machine is called: its host name. */
export const MACHINE = 'ledger';
/** No ledger comes this far: said to be acknowledged, it has to be told missing. */
const NEVER_WRITTEN = 999_999_999;

/** Looking is not interrupted: it takes no time. */
export const NEVER = new AbortController().signal;

export interface Point {
  readonly id: string;
  readonly time: string;
  readonly kind: string;
}

interface Recovery {
  readonly state: string;
  readonly running: { readonly state: string; readonly console: string } | null;
  readonly point: Point;
}

export interface Scene {
  readonly source: SourceServer;
  readonly servers: Servers;
  readonly steps: Steps;
  /** Gets the number of a recovered machine's process. */
  readonly onStart: (pid: number) => void;
}

/** A machine that was recovered, with somebody logged in on its console. */
export interface Recovered {
  readonly fabric: Fabric;
  readonly operationId: string;
  readonly console: ConsoleSession;
}

const must = (holds: boolean, what: string): void => {
  if (!holds) throw new Error(what);
};

export const listPoints = ({ servers }: Pick<Scene, 'servers'>): Promise<Point[]> =>
  servers.person.look<Point[]>(['point', 'list', MACHINE, '--limit', '1000'], NEVER);

/** The newest point of a kind that has at least so many acknowledged rows behind it. */
export const pointWithRows = async (scene: Scene, kind: string, rows: number): Promise<Point> => {
  let found: Point | undefined;
  const look = async (): Promise<boolean> => {
    found = (await listPoints(scene)).find(
      (point) => point.kind === kind && scene.source.ledger.until(Date.parse(point.time)).length >= rows,
    );
    return found !== undefined;
  };
  await until(`a ${kind} point with ${rows} rows of the ledger`, look, { seconds: PATIENCE.seconds, everyMilliseconds: 2_000 });
  return found!;
};

/** A command of `holdfast` that begins a job, awaited to its good end. */
export const runJob = async ({ servers }: Scene, ...args: string[]): Promise<void> => {
  const { state } = await servers.person.json<{ state: string }>([...args, '--wait']);
  must(state === 'succeeded', `holdfast ${args.join(' ')}: the job is ${state}`);
};

/** Logs in on the console of what runs now for the machine. */
export const enterRecovered = async ({ servers, steps, onStart }: Scene, what: string): Promise<Recovered> => {
  const { running } = await servers.person.json<Recovery>(['recovery', 'show', MACHINE]);
  must(running !== null, 'nothing runs');
  const directory = path.dirname(running!.console);
  const fabric = createQemuFabric({ directory: path.dirname(directory) });
  const operationId = path.basename(directory);
  const pid = (await fabric.status(operationId))?.pid;
  if (pid !== undefined) onStart(pid);
  const console = openSession(await (await fabric.console(operationId)).open());
  await steps.take(`${what}: its system starts, somebody logs in`, () => console.logIn(SERVER_PASSWORD, PATIENCE.console));
  return { fabric, operationId, console };
};

const describe = ({ rows, newest }: LedgerFinding, acknowledged: readonly number[]): string =>
  `${acknowledged.length} acknowledged, all there; ${rows} rows, newest ${newest}; a row never written is told missing`;

/** All that was acknowledged has to be there, whole and without a gap; and the check has to find what is not. */
export const verifyLedger = async (
  { steps }: Scene,
  { console }: Recovered,
  what: string,
  acknowledged: readonly number[],
): Promise<void> => {
  const look = async (): Promise<LedgerFinding> => {
    const found = await checkLedger(console, acknowledged, PATIENCE.console);
    must(found.missing.length === 0, `acknowledged and missing: ${found.missing.join(', ')}`);
    must(found.damaged === 0, `${found.damaged} rows are not what was written`);
    must(found.rows === found.newest, `${found.rows} rows up to ${found.newest}: there are gaps`);
    const control = await checkLedger(console, [...acknowledged, NEVER_WRITTEN], PATIENCE.console);
    must(control.missing.join() === `${NEVER_WRITTEN}`, `the check does not see what is missing: ${control.missing.join()}`);
    return found;
  };
  await steps.take(`${what}: the ledger, from inside`, look, (found) => describe(found, acknowledged));
};

/** Since the machine started: on its disk is what was said at the source too. */
const JOURNAL = 'journalctl --boot --no-pager --output=cat --unit=holdfast-agent';
const AT_WORK = /This machine is a member|Sending to process server/;

/** The agent inside knows what it is: it does nothing, and says how to enrol. `control`: at the source it does its work. */
export const verifySilence = async ({ source, steps }: Scene, { console, fabric, operationId }: Recovered): Promise<void> => {
  const look = async (): Promise<string> => {
    await console.run(`until ${JOURNAL} | grep -q AGENT_CLONED; do sleep 2; done`, PATIENCE.console);
    const { output } = await console.run(JOURNAL, PATIENCE.console);
    must(/nothing is sent under the identity/.test(output), `it does not say that it sends nothing:\n${output}`);
    must(/enrol this machine with a token of its own/.test(output), `it offers no enrolment:\n${output}`);
    must(!AT_WORK.test(output), `it works:\n${output}`);
    const before = await source.console.run(JOURNAL, PATIENCE.console);
    must(AT_WORK.test(before.output), `control: at the source it should work:\n${before.output}`);
    must(!/AGENT_CLONED/.test(before.output), `control: at the source it is itself:\n${before.output}`);
    const { agentLog } = await fabric.console(operationId);
    const [, machine = ''] = /holdfast:agent\/([0-9a-f]{32})/.exec(output) ?? [];
    must(findSilentAgent(await readFile(agentLog!, 'utf8'), machine) !== undefined, `it told nobody outside: ${machine}`);
    const name = await console.run('ip -o link show ens3', PATIENCE.console);
    must(name.status === 0, `its network card is not called as before: ${name.output}`);
    return 'it sends nothing, offers enrolment, and says so outside; the card is ens3 still';
  };
  await steps.take('the agent inside stays silent', look, (seen) => seen);
};
