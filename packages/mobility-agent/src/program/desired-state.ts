import { fromJson, type JsonValue, toJson } from '@bufbuild/protobuf';
import { type ConnectAgentResponse, ConnectAgentResponseSchema } from '@holdfast/protocol';
import { damagedFile, openJsonFile } from '../state/json-file.ts';

/** What the configuration server wants, kept for the time it is away. */
export interface DesiredState {
  /** What was wanted last of this machine; undefined when nothing was ever wanted of it. */
  load(machineId: string): Promise<ConnectAgentResponse | undefined>;
  /** Resolves when it survives a power loss. */
  save(machineId: string, state: ConnectAgentResponse): Promise<void>;
}

/** A file that is for one machine: the agent may be enrolled as another one meanwhile. */
export const openDesiredState = (file: string): DesiredState => {
  const json = openJsonFile(file);
  return {
    async load(machineId) {
      const found = await json.read();
      if (found === undefined) return undefined;
      const { machineId: of, state } = (typeof found === 'object' && found !== null ? found : {}) as Readonly<Record<string, unknown>>;
      if (typeof of !== 'string') throw damagedFile(file, 'it does not say of which machine it is');
      if (of !== machineId) return undefined;
      try {
        return fromJson(ConnectAgentResponseSchema, state as JsonValue, { ignoreUnknownFields: true });
      } catch (reason) {
        throw damagedFile(file, `its state cannot be read: ${(reason as Error).message.slice(0, 200)}`);
      }
    },
    save: (machineId, state) => json.write({ machineId, state: toJson(ConnectAgentResponseSchema, state) }),
  };
};
