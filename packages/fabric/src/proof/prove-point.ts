import { execFile } from 'node:child_process';
import { type KeyObject, randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import { type FrameCache, type RecordedProof, readMachine, recordProof, type Vault } from '@holdfast/vault';
import { checkFileSystems } from '../adapt/mount/check-file-systems.ts';
import type { Fabric } from '../fabric.ts';
import { discardRecovery, recoverMachine } from '../recovery/recover-machine.ts';
import type { AdaptationRequest, AdaptMachine, RecoveredMachine, RecoverMachineOptions } from '../recovery/recovery.ts';
import { type ProofStep, signReport } from './proof-report.ts';
import { readConsole, type Waiting, waitForAgent, waitForConsole, waitForTcp } from './wait-for.ts';

export interface ProvePointOptions {
  readonly vault: Vault;
  readonly machineId: string;
  readonly pointId: string;
  readonly fabric: Fabric;
  /** As for `recoverMachine`. */
  readonly directory: string;
  readonly adapt?: AdaptMachine;
  readonly hardware?: RecoverMachineOptions['hardware'];
  readonly frameCache?: FrameCache;
  /** Checks the file systems of the point too. Needs root. */
  readonly checkFileSystems?: boolean;
  /** Has to appear on the serial console. */
  readonly console: RegExp;
  /** The agent inside has to be up, and to say that it sends nothing. */
  readonly awaitAgent?: boolean;
  /** Ports of the machine at which something has to answer. */
  readonly ports?: readonly number[];
  /** A program of this host that decides, after all else: status 0 is well. */
  readonly script?: string;
  /** Milliseconds that each of them may take. */
  readonly patience: number;
  /** 32 hexadecimal digits by which what was made is found again, also by whoever comes after an end of this program; random unless told. */
  readonly operationId?: string;
  /** Ed25519. */
  readonly signingKey: KeyObject;
  readonly now?: () => number;
  /** Told of each step that was done. */
  readonly onStep?: (step: ProofStep) => void;
  readonly signal: AbortSignal;
}

/** A login, as most systems offer it when they are up. */
export const LOGIN_PROMPT = /^.*\blogin: ?$/m;

const CONSOLE_KEPT = 64 * 1024;
const SCREENSHOT_KEPT = 4 * 1024 * 1024;

/**
 * Starts a point in a network of its own, looks whether it comes up, and takes it all away again; what came of it is signed and recorded in the vault, also
 * when it failed. Rejects only where nothing could be tried or recorded: MACHINE_NOT_FOUND, POINT_NOT_FOUND, NO_PERMISSION, why the signal was aborted.
 */
export const provePoint = async (options: ProvePointOptions): Promise<RecordedProof> => {
  const { vault, machineId, pointId, now = Date.now, signal } = options;
  const history = await readMachine(vault, machineId);
  const point = history.points.find(({ id }) => id === pointId);
  if (point === undefined)
    throw new HoldfastError('POINT_NOT_FOUND', {
      thing: `point ${pointId}`,
      why: 'the machine has no such point',
      remedy: 'list them: `holdfast vault points`',
    });
  const started = now();
  const attempt = await tryPoint(options);
  signal.throwIfAborted();
  const passed = attempt.steps.every((step) => step.passed);
  const proof = signReport(
    {
      vault: vault.id,
      machine: machineId,
      machineName: history.machine.name,
      point: pointId,
      pointTime: point.time,
      head: { sequence: history.head.sequence, tag: history.head.tag },
      started,
      ended: now(),
      passed,
      steps: attempt.steps,
      adaptation: attempt.adaptation,
      acceleration: attempt.acceleration,
    },
    { console: attempt.console, screenshot: attempt.screenshot },
    options.signingKey,
  );
  return { ...proof, number: await recordProof(vault, machineId, proof) };
};

interface Attempt {
  readonly steps: ProofStep[];
  adaptation: readonly string[];
  acceleration: string;
  console: Uint8Array;
  screenshot: Uint8Array;
}

const tryPoint = async (options: ProvePointOptions): Promise<Attempt> => {
  const { vault, machineId, pointId, fabric, directory, ports = [], signal } = options;
  const attempt: Attempt = { steps: [], adaptation: [], acceleration: '', console: new Uint8Array(0), screenshot: new Uint8Array(0) };
  const { operationId = randomBytes(16).toString('hex') } = options;
  const forwards = await Promise.all(ports.map(async (guestPort) => ({ guestPort, hostPort: await freePort() })));
  let machine: RecoveredMachine | undefined;
  const step = createSteps(options, attempt);
  try {
    const isUp = await step('start', async () => {
      machine = await recoverMachine({
        vault,
        machineId,
        pointId,
        fabric,
        directory,
        operationId,
        network: { kind: 'isolated', forwards },
        // Its own name would be taken for the machine itself.
        name: `proof of ${machineId.slice(0, 8)}`,
        adapt: async (request) => {
          if (options.checkFileSystems === true) await checkDisks(request, step, path.join(directory, operationId, 'fsck'));
          return options.adapt === undefined ? { report: [] } : options.adapt(request);
        },
        ...(options.hardware && { hardware: options.hardware }),
        ...(options.frameCache && { frameCache: options.frameCache }),
        signal,
      });
      const { machine: status, adaptation } = await machine.status();
      Object.assign(attempt, { adaptation, acceleration: status.acceleration ?? '' });
      return `${status.disks.length} disks, ${status.acceleration ?? 'no acceleration told'}`;
    });
    if (isUp && machine !== undefined) await look(options, machine, forwards, attempt, step);
  } finally {
    if (machine === undefined) await discardRecovery({ fabric, directory, operationId, vault });
    // What could not be let go of, in a vault that is away, is for whoever comes after: nothing here keeps it locked.
    else await machine.discard().finally(() => machine?.close());
    signal.throwIfAborted();
  }
  return attempt;
};

/** Each file system of the point, as it is before anything is adapted. */
const checkDisks = async ({ disks, signal }: AdaptationRequest, step: Step, scratch: string): Promise<void> => {
  await step('file systems', async () => {
    const checked = await checkFileSystems(disks, { scratch, signal });
    const bad = checked.filter(({ fault }) => fault !== undefined);
    if (bad.length > 0)
      throw new HoldfastError('DAMAGED', {
        thing: bad.map(({ name, type }) => `${name} (${type})`).join(', '),
        why: bad.map(({ fault }) => fault).join('; '),
        remedy: 'look at it with `holdfast vault mount`; choose an earlier point',
      });
    return checked.map(({ name, type }) => `${name} (${type})`).join(', ') || 'none that is known';
  });
  await rm(scratch, { recursive: true, force: true });
};

type Step = (name: string, work: () => Promise<string>) => Promise<boolean>;

/** A step that fails is noted, and what follows is tried all the same; only a wish to stop ends everything. */
const createSteps =
  ({ onStep, signal }: ProvePointOptions, { steps }: Attempt): Step =>
  async (name, work) => {
    const begun = performance.now();
    let passed = true;
    let detail: string;
    try {
      detail = await work();
    } catch (reason) {
      signal.throwIfAborted();
      passed = false;
      detail = fromSystem(reason, name).message;
    }
    const step = { name, passed, detail, seconds: Math.round((performance.now() - begun) / 100) / 10 };
    steps.push(step);
    onStep?.(step);
    return passed;
  };

const look = async (
  options: ProvePointOptions,
  machine: RecoveredMachine,
  forwards: readonly { readonly guestPort: number; readonly hostPort: number }[],
  attempt: Attempt,
  step: Step,
): Promise<void> => {
  const { fabric, patience, signal, script } = options;
  const { log, agentLog } = await machine.console();
  const hopeless = async (): Promise<string | undefined> => {
    const status = await fabric.status(machine.operationId);
    return status === undefined || status.state === 'off' ? 'the machine went off' : undefined;
  };
  const waiting: Waiting = { patience, signal, hopeless };
  await step('console', () => waitForConsole(log, options.console, waiting));
  if (options.awaitAgent === true) await step('agent', () => waitForAgent(agentLog, options.machineId, waiting));
  for (const { guestPort, hostPort } of forwards) await step(`tcp ${guestPort}`, () => waitForTcp(hostPort, waiting));
  const scratch = await mkdtemp(path.join(tmpdir(), 'holdfast-proof-'));
  try {
    if (script !== undefined) {
      const ports = Object.fromEntries(forwards.map(({ guestPort, hostPort }) => [`HOLDFAST_PORT_${guestPort}`, String(hostPort)]));
      await step('script', () => runScript(script, { ...ports, HOLDFAST_CONSOLE: log }, patience, signal));
    }
    const picture = path.join(scratch, 'screen.png');
    // A machine without a screen is none the worse.
    attempt.screenshot = await fabric
      .screenshot(machine.operationId, picture)
      .then(() => readFile(picture))
      .then((bytes) => (bytes.length > SCREENSHOT_KEPT ? new Uint8Array(0) : bytes))
      .catch(() => new Uint8Array(0));
    attempt.console = Buffer.from(await readConsole(log, CONSOLE_KEPT));
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
};

const runScript = (script: string, environment: Readonly<Record<string, string>>, timeout: number, signal: AbortSignal): Promise<string> =>
  new Promise((resolve, reject) => {
    const env = { PATH: process.env['PATH'] ?? '', LANG: 'C.UTF-8', ...environment };
    execFile(script, [], { timeout, signal, env, maxBuffer: 1024 * 1024 }, (reason, stdout, stderr) => {
      if (reason === null) resolve(lastLine(stdout) || 'status 0');
      else
        reject(
          new HoldfastError('SCRIPT_FAILED', {
            thing: script,
            why: lastLine(stderr) || lastLine(stdout) || reason.message,
            remedy: 'look at what it says',
            cause: reason,
          }),
        );
    });
  });

const lastLine = (text: string): string => text.trim().split('\n').at(-1)!.slice(0, 300);

/** A port of loopback that nobody uses now. */
const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
