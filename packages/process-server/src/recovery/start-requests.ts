import type { MessageInitShape } from '@bufbuild/protobuf';
import { fromSystem } from '@holdfast/errors';
import { idBytes, isId, type RecoveryReportSchema } from '@holdfast/protocol';

/** The newest request to switch a machine on that was carried out, and why it stays off where it does. Kept over a restart, so that it is done once. */
export interface Started {
  /** 32 hexadecimal digits. */
  readonly request: string;
  readonly problem?: { readonly code: string; readonly text: string; readonly remedy: string };
}

/** Switches it on; what comes of it is told, not thrown. */
export const carryOut = async (request: string, machineName: string, start: () => Promise<void>): Promise<Started> => {
  try {
    await start();
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
  started === undefined
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
  const { request, problem } = (json ?? {}) as Partial<Record<'request' | 'problem', unknown>>;
  if (typeof request !== 'string' || !isId(request)) return undefined;
  const { code, text, remedy } = (problem ?? {}) as Partial<Record<'code' | 'text' | 'remedy', unknown>>;
  const isWhole = typeof code === 'string' && typeof text === 'string' && typeof remedy === 'string';
  return { request, ...(isWhole && { problem: { code, text, remedy } }) };
};
