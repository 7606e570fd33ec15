import type { MessageInitShape } from '@bufbuild/protobuf';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import type { Fabric, FabricFinding } from '@holdfast/fabric';
import type { FabricReportSchema } from '@holdfast/protocol';

/** Where this server can start machines. */
export interface Fabrics {
  /** Errors: UNSUPPORTED_OPERATION. */
  of(name: string): Fabric;
  /** What each is able to do, looked at now. */
  check(): Promise<MessageInitShape<typeof FabricReportSchema>[]>;
}

export const createFabrics = (fabrics: readonly Fabric[]): Fabrics => ({
  of(name) {
    const found = fabrics.find(({ kind }) => kind === (name || 'qemu'));
    if (found !== undefined) return found;
    throw new HoldfastError('UNSUPPORTED_OPERATION', {
      thing: `fabric ${name}`,
      why: `this process server has ${fabrics.map(({ kind }) => kind).join(', ') || 'none'}`,
      remedy: 'name another fabric, or a process server that has it',
    });
  },
  check: () =>
    Promise.all(
      fabrics.map(async (fabric) => {
        const findings = await fabric
          .check()
          .catch((reason: unknown): FabricFinding[] => [
            { name: 'check', level: 'error', message: fromSystem(reason, fabric.kind).message },
          ]);
        const bad = findings.filter(({ level }) => level === 'error');
        const told = bad.length > 0 ? bad : findings;
        return {
          name: fabric.kind,
          ready: bad.length === 0,
          detail: told
            .map(({ message, remedy }) => (bad.length > 0 && remedy !== undefined ? `${message} (${remedy})` : message))
            .join('; ')
            .slice(0, 1000),
        };
      }),
    ),
});
