import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { create } from '@bufbuild/protobuf';
import { ConnectAgentResponseSchema, idBytes, newId } from '@holdfast/protocol';
import { openDesiredState } from './desired-state.ts';

describe('the desired state on disk', () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'desired-'));
  afterAll(() => fs.rmSync(directory, { recursive: true }));
  const file = path.join(directory, 'desired-state.json');
  const machineId = newId();
  const state = create(ConnectAgentResponseSchema, {
    revision: 2n ** 60n,
    protection: {
      machineId: idBytes(machineId),
      diskIds: [idBytes(newId())],
      processServers: ['a:1'],
      pointIntervalSeconds: 5,
      compression: 'zstd',
    },
  });

  it('is what was wanted last, of this machine', async () => {
    expect(await openDesiredState(file).load(machineId)).toBeUndefined();
    await openDesiredState(file).save(machineId, state);
    expect(await openDesiredState(file).load(machineId)).toEqual(state);
    expect(await openDesiredState(file).load(newId())).toBeUndefined();
    const nothing = create(ConnectAgentResponseSchema, { revision: 3n });
    await openDesiredState(file).save(machineId, nothing);
    expect(await openDesiredState(file).load(machineId)).toEqual(nothing);
  });

  it('leaves out what a later version has put in', async () => {
    await openDesiredState(file).save(machineId, state);
    const later = JSON.parse(fs.readFileSync(file, 'utf8')) as { state: Record<string, unknown> };
    later.state['comesLater'] = { a: 1 };
    fs.writeFileSync(file, JSON.stringify(later));
    expect(await openDesiredState(file).load(machineId)).toEqual(state);
  });

  it.each(['[]', '7', '{}', '{"machineId":"ID","state":{"revision":"x"}}', '{"machineId":"ID","state":[]}'])(
    'is refused by name when it cannot be: %s',
    async (text) => {
      fs.writeFileSync(file, text.replace('ID', machineId));
      await expect(openDesiredState(file).load(machineId)).rejects.toMatchObject({ code: 'DAMAGED', thing: file });
    },
  );
});
