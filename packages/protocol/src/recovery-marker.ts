// What the one who starts a machine from a recovery point leaves in the state directory of the agent inside it, so that this agent knows that it is not the
// one it seems to be. Hardware alone does not always tell: a virtual machine may show the same addresses and no SMBIOS id at all.

/** Below the state directory of the agent. */
export const RECOVERY_MARKER = 'identity/recovered.json';

export interface RecoveryMarker {
  /** Id and name of the machine whose point it was, empty where unknown. */
  readonly machineId: string;
  readonly machineName: string;
  /** Time of the point, of the recovery: ISO 8601, in UTC. */
  readonly pointTime: string;
  readonly recovered: string;
}

export const formatRecoveryMarker = (marker: RecoveryMarker): string => `${JSON.stringify({ form: 1, ...marker }, null, 2)}\n`;

/** For people. A marker counts whatever is in it: one that cannot be read says less. */
export const describeRecoveryMarker = (text: string): string => {
  try {
    const { machineName, pointTime } = JSON.parse(text) as Record<string, unknown>;
    if (typeof machineName === 'string' && typeof pointTime === 'string')
      return `this machine was recovered from the point of ${pointTime.slice(0, 40)} of ${machineName.slice(0, 100) || 'another machine'}`;
  } catch {}
  return 'this machine was recovered from a point of another machine';
};
