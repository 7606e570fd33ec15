import { stat } from 'node:fs/promises';
import type { MachineDiskStatus, MachineRequest, MachineStatus, PauseReason } from '../fabric.ts';
import { withQmp } from './connect-qmp.ts';
import { blockJobs, hydrationOf } from './hydrate.ts';
import { untilGone } from './launch.ts';
import type { MachineDirectory } from './machine-directory.ts';
import { isHydrated } from './overlay-file.ts';
import { processOf } from './process-of.ts';

/** https://www.qemu.org/docs/master/interop/qemu-qmp-ref.html, `query-block` */
interface BlockInfo {
  readonly qdev?: string;
  readonly 'io-status'?: 'ok' | 'failed' | 'nospace';
}

/** A QEMU that ends may be there for so long after its sockets are gone. */
const FAREWELL_MILLISECONDS = 2_000;

interface Answers {
  readonly status: string;
  readonly kvm: boolean;
  readonly blocks: readonly BlockInfo[];
  readonly jobs: Awaited<ReturnType<typeof blockJobs>>;
}

const ask = (directory: MachineDirectory): Promise<Answers> =>
  withQmp(directory.qmpSocket, async (qmp) => {
    const { status } = (await qmp.execute('query-status')) as { readonly status: string };
    const { enabled } = (await qmp.execute('query-kvm')) as { readonly enabled: boolean };
    return { status, kvm: enabled, blocks: (await qmp.execute('query-block')) as BlockInfo[], jobs: await blockJobs(qmp) };
  });

/** RunState of QEMU, in our words; what is not here runs. */
const PAUSED: Readonly<Record<string, PauseReason>> = {
  prelaunch: 'starting',
  inmigrate: 'starting',
  paused: 'asked',
  'io-error': 'io',
  'internal-error': 'fault',
  'guest-panicked': 'fault',
};

const pauseOf = ({ status, blocks }: Answers): PauseReason | undefined => {
  const reason = PAUSED[status];
  return reason === 'io' && blocks.some((block) => block['io-status'] === 'nospace') ? 'space' : reason;
};

const diskStatus = async (
  { shape: { disks } }: MachineRequest,
  directory: MachineDirectory,
  jobs: Answers['jobs'],
): Promise<MachineDiskStatus[]> => {
  const found: MachineDiskStatus[] = [];
  for (const [index, { id, size, source }] of disks.entries()) {
    const file = source.kind === 'file' ? source.path : directory.overlay(index);
    const hydrating = hydrationOf(jobs, index);
    const hydrated = source.kind === 'file' || (await isHydrated(file));
    const { blocks = 0 } = (await stat(file).catch(() => undefined)) ?? {};
    found.push({ id, size, hydrated, stored: blocks * 512, ...(hydrating !== undefined && !hydrated && { hydrating }) });
  }
  return found;
};

/** Errors: FABRIC_FAILED when its QEMU does not answer. */
export const askStatus = async (directory: MachineDirectory, request: MachineRequest): Promise<MachineStatus> => {
  const { operationId, name } = request;
  const running = await processOf(directory, operationId);
  const off = async (): Promise<MachineStatus> => {
    const killed = (await stat(directory.life).catch(() => undefined)) !== undefined;
    return { operationId, name, state: 'off', ...(killed && { killed }), disks: await diskStatus(request, directory, []) };
  };
  if (running === undefined) return off();
  let answers: Answers;
  try {
    answers = await ask(directory);
  } catch (reason) {
    // It went off while it was asked, or is about to: it takes its sockets away first.
    if (await untilGone(running, FAREWELL_MILLISECONDS)) return off();
    throw reason;
  }
  const pause = pauseOf(answers);
  return {
    operationId,
    name,
    state: pause === undefined ? 'running' : 'paused',
    ...(pause !== undefined && { pause }),
    pid: running.pid,
    acceleration: answers.kvm ? 'kvm' : 'tcg',
    disks: await diskStatus(request, directory, answers.jobs),
  };
};
