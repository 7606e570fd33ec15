// How the agent inside a recovered machine tells whoever started it that it is up, knows what became of its machine, and sends nothing: one line into a
// serial port of virtio that recovered machines have for this alone. A machine that was not recovered has none.

/** Name of the port; Linux shows it below /dev/virtio-ports. */
export const RECOVERY_PORT = 'holdfast.recovered';

export interface SilentAgent {
  /** Of the identity that it was found with. */
  readonly machineId: string;
  readonly version: string;
}

export const formatSilentAgent = ({ machineId, version }: SilentAgent): string =>
  `holdfast-agent ${version} of machine ${machineId} is up and sends nothing\n`;

/** What agents of this machine said, if one did, in whatever else is there: the line. */
export const findSilentAgent = (text: string, machineId: string): string | undefined =>
  text.split('\n').find((line) => {
    const [, version = '', of] = /^holdfast-agent (\S{1,40}) of machine ([0-9a-f]{32}) is up and sends nothing$/.exec(line) ?? [];
    return version !== '' && of === machineId;
  });
