import type { MessageInitShape } from '@bufbuild/protobuf';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import { idBytes, isId, type RecoveryReportSchema } from '@holdfast/protocol';

/** The newest request to switch a machine on that was carried out, and why it stays off where it does. Kept over a restart, so that it is done once. */
export interface Started {
  /** 32 hexadecimal digits. */
  readonly request: string;
  /** It was about to be carried out, and nobody knows whether it was. */
  readonly begun?: true;
  readonly problem?: { readonly code: string; readonly text: string; readonly remedy: string };
}

export interface StartOnce {
  readonly request: string;
  readonly machineName: string;
  /** The newest that is known of. */
  readonly before: Started | undefined;
  isOn(): Promise<boolean>;
  start(): Promise<void>;
  note(started: Started): Promise<void>;
}

/**
 * Switches it on, noted before: what comes of it is told, not thrown. One that was begun when this server ended is not done again, which would switch on a
 * machine that was switched off meanwhile: whoever asked decides.
 */
export const startOnce = async ({ request, machineName, before, isOn, start, note }: StartOnce): Promise<Started> => {
  try {
    if (before?.request !== request) {
      await note({ request, begun: true });
      await start();
    } else if (!(await isOn()))
      throw new HoldfastError('INTERRUPTED', {
        thing: `machine ${machineName}`,
        why: 'its process server ended while it was being switched on, and it is off',
        remedy: 'switch it on again',
      });
    return { request };
  } catch (reason) {
    const { code, thing, why, remedy } = fromSystem(reason, `machine ${machineName}`);
    return { request, problem: { code, text: `${thing}: ${why}`, remedy } };
  }
};

type Told = Pick<
  Exclude<MessageInitShape<typeof RecoveryReportSchema>, { readonly $typeName: string }>,
  'startRequest' | 'startProblem' | 'startProblemCode' | 'startRemedy'
>;

/** As it is told. */
export const describeStarted = (started: Started | undefined): Told =>
  started === undefined || started.begun === true
    ? {}
    : {
        startRequest: idBytes(started.request),
        ...(started.problem !== undefined && {
          startProblem: started.problem.text,
          startProblemCode: started.problem.code,
          startRemedy: started.problem.remedy,
        }),
      };

/** Of a file; undefined for what is none. */
export const parseStarted = (json: unknown): Started | undefined => {
  const { request, begun, problem } = (json ?? {}) as Partial<Record<'request' | 'begun' | 'problem', unknown>>;
  if (typeof request !== 'string' || !isId(request)) return undefined;
  const { code, text, remedy } = (problem ?? {}) as Partial<Record<'code' | 'text' | 'remedy', unknown>>;
  const isWhole = typeof code === 'string' && typeof text === 'string' && typeof remedy === 'string';
  return { request, ...(begun === true && { begun }), ...(isWhole && { problem: { code, text, remedy } }) };
};
