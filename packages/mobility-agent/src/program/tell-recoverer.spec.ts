import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { HoldfastError } from '@holdfast/errors';
import { findSilentAgent, RECOVERY_PORT } from '@holdfast/protocol';
import { createRecovererTeller } from './tell-recoverer.ts';

const ID = 'ab'.repeat(16);
const problem = (code: 'AGENT_CLONED' | 'NOT_ENROLLED') => new HoldfastError(code, { thing: 'state', why: 'it is', remedy: 'none' });

describe('the agent of a recovered machine', () => {
  let ports: string;
  beforeEach(async () => {
    ports = await mkdtemp(path.join(tmpdir(), 'ports-'));
  });
  afterEach(() => rm(ports, { recursive: true }));
  const said = (): Promise<string> => readFile(path.join(ports, RECOVERY_PORT), 'utf8');
  const makePort = (): Promise<void> => writeFile(path.join(ports, RECOVERY_PORT), '');

  it('says once that it sends nothing, as soon as there is a port for that', async () => {
    const tell = createRecovererTeller(async () => ID, ports);
    await tell(problem('AGENT_CLONED'));
    expect(await readdir(ports)).toEqual([]);
    await makePort();
    await tell(problem('AGENT_CLONED'));
    const words = await said();
    expect(findSilentAgent(words, ID)).toBeDefined();
    await tell(problem('AGENT_CLONED'));
    expect(await said()).toBe(words);
  });

  it('says nothing where it was never enrolled, and again what it could not', async () => {
    await makePort();
    let isReadable = false;
    const tell = createRecovererTeller(async () => {
      if (isReadable) return ID;
      throw new Error('unreadable');
    }, ports);
    await tell(problem('NOT_ENROLLED'));
    await tell(problem('AGENT_CLONED'));
    expect(await said()).toBe('');
    isReadable = true;
    await tell(problem('AGENT_CLONED'));
    expect(findSilentAgent(await said(), ID)).toBeDefined();
  });
});
