import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { create } from '@bufbuild/protobuf';
import type { Log } from '@holdfast/daemon';
import { idBytes, newId, ShutdownRequestSchema } from '@holdfast/protocol';
import type { EngineStatus } from '../engine/engine.ts';
import { openRestedScripts } from './rested-scripts.ts';
import { createShutdown } from './shutdown.ts';

const silent = { info: () => {}, warn: () => {}, error: () => {}, debug: () => {} } as unknown as Log;

describe('the shutdown of a source', () => {
  let directory: string;
  beforeEach(() => {
    // Below nothing that others may write to: scripts there are refused.
    directory = fs.mkdtempSync(path.join(os.homedir(), '.shutdown-'));
    fs.chmodSync(directory, 0o700);
  });
  afterEach(() => fs.rmSync(directory, { recursive: true }));

  const said = (): string[] => {
    const file = path.join(directory, 'said');
    return fs.existsSync(file) ? fs.readFileSync(file, 'utf8').trim().split('\n') : [];
  };
  const script = (name: string, then = 'exit 0'): void => {
    fs.mkdirSync(path.join(directory, 'scripts'), { recursive: true, mode: 0o700 });
    fs.writeFileSync(path.join(directory, 'scripts', name), `#!/bin/sh\necho "${name} $1" >> ${directory}/said\n${then}\n`, {
      mode: 0o700,
    });
  };
  const open = async (sync: () => Promise<unknown> = async () => undefined) => {
    let newestPoint = 1;
    let asked = 0;
    const shutdown = createShutdown({
      engine: {
        get status() {
          return { newestPoint } as EngineStatus;
        },
        pointNow: () => {
          asked += 1;
        },
      },
      scripts: path.join(directory, 'scripts'),
      scriptLimit: 10_000,
      powerOff: ['touch', path.join(directory, 'off')],
      rested: await openRestedScripts(path.join(directory, 'rested.json'), path.join(directory, 'scripts'), silent),
      log: silent,
      onAnswer: () => undefined,
      look: 5,
      sync,
    });
    const until = async (what: string, look: () => boolean): Promise<void> => {
      for (const end = Date.now() + 20_000; !look(); await new Promise((resolve) => setTimeout(resolve, 5)))
        if (Date.now() > end) throw new Error(`waited in vain for ${what}: ${said()}`);
    };
    return { shutdown, until, asked: () => asked, durable: () => (newestPoint = Date.now() + 1) };
  };
  const request = (id: string, powerOff = false) => create(ShutdownRequestSchema, { id: idBytes(id), powerOff });
  const isOff = (): boolean => fs.existsSync(path.join(directory, 'off'));

  it('runs the scripts in order, waits for a last point, and powers off only when told', async () => {
    script('10-app');
    script('20-database');
    const { shutdown, until, asked, durable } = await open();
    const id = newId();
    shutdown.ask(request(id));
    await until('a point to be asked for', () => asked() === 1);
    expect(said()).toEqual(['10-app pre', '20-database pre']);
    expect(shutdown.answer?.atRest ?? false).toBe(false);
    durable();
    await until('rest', () => shutdown.answer?.atRest === true);
    shutdown.ask(request(id));
    expect(isOff()).toBe(false);
    shutdown.ask(request(id, true));
    await until('the end', isOff);
    expect(shutdown.answer).toMatchObject({ atRest: true, poweringOff: true });
    // The same state again does nothing more.
    shutdown.ask(request(id, true));
    expect(said()).toHaveLength(2);
  });

  it('lets go on what it had brought to rest when it is called off', async () => {
    script('10-app');
    const { shutdown, until, asked } = await open();
    shutdown.ask(request(newId()));
    await until('a point to be asked for', () => asked() === 1);
    shutdown.ask(undefined);
    await until('it goes on', () => said().length === 2);
    expect([said(), shutdown.answer, isOff()]).toEqual([['10-app pre', '10-app post'], undefined, false]);
  });

  it('goes on when it is called off though writing everything out never ends', async () => {
    script('10-app');
    let isWriting = false;
    const { shutdown, until } = await open(() => {
      isWriting = true;
      return new Promise(() => undefined);
    });
    shutdown.ask(request(newId()));
    await until('the writing', () => isWriting);
    shutdown.ask(undefined);
    await until('it goes on', () => said().length === 2);
    expect(said()).toEqual(['10-app pre', '10-app post']);
  });

  it('stays at rest while it is failed over, and goes on when that is over', async () => {
    script('10-app');
    const { shutdown, until, asked, durable } = await open();
    shutdown.ask(request(newId()));
    await until('a point to be asked for', () => asked() === 1);
    durable();
    await until('rest', () => shutdown.answer?.atRest === true);
    shutdown.ask(undefined, true);
    expect(shutdown.answer?.atRest).toBe(true);
    shutdown.ask(undefined, false);
    await until('it goes on', () => said().length === 2);
    // Nothing ran in between.
    expect(said()).toEqual(['10-app pre', '10-app post']);
  });

  it('is woken by the next agent too, though never while it is replaced', async () => {
    script('10-app');
    script('20-database');
    const first = await open();
    first.shutdown.ask(request(newId()));
    await first.until('a point to be asked for', () => first.asked() === 1);
    first.durable();
    await first.until('rest', () => first.shutdown.answer?.atRest === true);
    const { shutdown, until } = await open();
    shutdown.ask(undefined, true);
    shutdown.ask(undefined, false);
    await until('it goes on', () => said().length === 4);
    expect(said().slice(2)).toEqual(['20-database post', '10-app post']);
    // Once.
    await until('it is forgotten', () => !fs.readFileSync(path.join(directory, 'rested.json'), 'utf8').includes('10-app'));
    const third = await open();
    third.shutdown.ask(undefined, false);
    third.shutdown.ask(request(newId()));
    await third.until('rest again', () => third.asked() === 1);
    expect(said().slice(4)).toEqual(['10-app pre', '20-database pre']);
    third.shutdown.ask(undefined, false);
    await third.until('it goes on again', () => said().length === 8);
  });

  it('believes no file about scripts that lie elsewhere', async () => {
    const file = path.join(directory, 'rested.json');
    fs.writeFileSync(file, JSON.stringify({ scripts: ['/bin/false', path.join(directory, 'scripts', '10-app'), 7] }));
    const known = async () => (await openRestedScripts(file, path.join(directory, 'scripts'), silent)).files;
    expect(await known()).toEqual([path.join(directory, 'scripts', '10-app')]);
    fs.writeFileSync(file, 'no JSON');
    expect(await known()).toEqual([]);
  });

  it('says why it cannot come to rest, and undoes what it did', async () => {
    const { shutdown, until } = await open();
    shutdown.ask(request(newId()));
    await until('a refusal', () => shutdown.answer?.problemCode === 'PREREQUISITES_MISSING');
    script('10-app');
    script('20-database', 'echo it is busy; exit 3');
    const id = newId();
    shutdown.ask(request(id));
    await until('a refusal', () => shutdown.answer?.problemCode === 'SCRIPT_FAILED');
    expect(shutdown.answer!.problem).toContain('it is busy');
    await until('both go on', () => said().length === 4);
    expect(said()).toEqual(['10-app pre', '20-database pre', '20-database post', '10-app post']);
    shutdown.ask(request(id, true));
    expect(isOff()).toBe(false);
  });
});
