import { createHash, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import type { Log } from '@holdfast/daemon';
import { HoldfastError } from '@holdfast/errors';
import type { ProvePointOptions, provePoint } from '@holdfast/fabric';
import { createMemoryStore } from '@holdfast/object-store';
import {
  idBytes,
  idText,
  newId,
  PointKind,
  RecoveryAnswerSchema,
  RecoveryQuestionSchema,
  RecoveryStage,
  type WantedProof,
  WantedProofSchema,
} from '@holdfast/protocol';
import { createVault, openLogWriter, readMachine, recordProof, registerMachine, type Vault } from '@holdfast/vault';
import { ScriptedSource } from '../conformance/scripted-source.ts';
import { createAnswers } from './answers.ts';
import { openProofs, type Proofs } from './proofs.ts';
import { createScriptedFabric } from './testing/scripted-fabric.ts';

const KEY = { kind: 'key-file', secret: Buffer.alloc(32, 3) } as const;
const silent = { info: () => {}, warn: () => {}, error: () => {}, debug: () => {} } as unknown as Log;
const { REACHED, FAILED, WORKING } = RecoveryStage;

const until = async (what: string, look: () => boolean | Promise<boolean>): Promise<void> => {
  const end = Date.now() + 20_000;
  while (!(await look())) {
    if (Date.now() > end) throw new Error(`waited in vain for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
};

describe('proofs of a process server', () => {
  let vault: Vault;
  let source: ScriptedSource;
  let directory: string;
  let points: readonly string[];
  let proofs: Proofs | undefined;
  let attempts: { readonly options: ProvePointOptions; readonly end: (passed: boolean) => void }[];
  let isAway = false;
  /** What is removed stays, and nothing says so. */
  let isStuck = false;
  let away: string | undefined;
  const discarded: string[] = [];
  const adaptedTo: number[] = [];
  const { privateKey } = generateKeyPairSync('ed25519');

  beforeEach(async () => {
    vault = await createVault(createMemoryStore(), { name: 'test', keys: [KEY] });
    source = new ScriptedSource({ size: 64 * 1024 });
    await registerMachine(vault, { id: source.machineId, name: 'db1' });
    const writer = await openLogWriter(vault, source.machineId, {});
    for (let n = 0; n < 3; n += 1) {
      source.scribble(1);
      await writer.append((await source.cut()).content);
    }
    await writer.close();
    points = (await readMachine(vault, source.machineId)).points.map(({ id }) => id);
    directory = await mkdtemp(path.join(tmpdir(), 'proofs-'));
    attempts = [];
    away = undefined;
    discarded.length = 0;
    isStuck = false;
    adaptedTo.length = 0;
  });
  afterEach(async () => {
    for (const { end } of attempts) end(false);
    await proofs?.close();
    proofs = undefined;
    await vault.close();
    await rm(directory, { recursive: true });
  });

  /** What the real one does, without a machine: it waits to be told what came of it, signs and records that. */
  const scripted: typeof provePoint = async (options) => {
    const { promise, resolve: end } = Promise.withResolvers<boolean>();
    attempts.push({ options, end });
    options.signal.addEventListener('abort', () => end(false), { once: true });
    const passed = await promise;
    options.signal.throwIfAborted();
    const none = { sha256: createHash('sha256').digest('hex'), bytes: 0 };
    const { head } = await readMachine(vault, options.machineId);
    const steps = [{ name: 'console', passed, detail: 'db1 login:', seconds: 3 }];
    const about = {
      form: 1,
      vault: vault.id,
      machine: options.machineId,
      point: options.pointId,
      head: { sequence: head.sequence, tag: head.tag },
    };
    const report = Buffer.from(JSON.stringify({ ...about, passed, steps, console: none, screenshot: none }));
    const proof = {
      pointId: options.pointId,
      time: Date.now(),
      passed,
      report,
      signature: sign(null, report, options.signingKey),
      publicKey: createPublicKey(options.signingKey).export({ type: 'spki', format: 'der' }),
      console: new Uint8Array(0),
      screenshot: new Uint8Array(0),
    };
    return { ...proof, number: await recordProof(vault, options.machineId, proof) };
  };

  const open = async (prove: typeof provePoint = scripted): Promise<Proofs> => {
    const fabric = createScriptedFabric();
    proofs = await openProofs({
      vaults: {
        open: async (name) => {
          if (isAway || name === 'gone' || name === away)
            throw new HoldfastError('CONNECTION_LOST', { thing: 'store', why: 'it is away', remedy: 'wait' });
          return vault;
        },
      },
      pause: 5,
      vaultPatience: 400,
      farewell: 20,
      fabric: () => fabric.fabric,
      prover: {
        provePoint: prove,
        discardRecovery: async ({ operationId }) => {
          discarded.push(operationId);
          if (!isStuck) await rm(path.join(directory, operationId), { recursive: true });
        },
      },
      directory,
      signingKey: async () => privateKey,
      scriptOf: async (name) => `/scripts/${name}`,
      adaptationOf: ({ pointTime }) => {
        adaptedTo.push(pointTime);
        return async () => ({ report: [], unused: true });
      },
      log: silent,
      onChange: () => undefined,
    });
    return proofs;
  };
  const wanted = (more: MessageInitShape<typeof WantedProofSchema> = {}): WantedProof =>
    create(WantedProofSchema, {
      id: idBytes(newId()),
      machineId: idBytes(source.machineId),
      machineName: 'db1',
      vault: 'main',
      pointId: idBytes(points[1]!),
      ...(more as object),
    });
  const stages = () => proofs!.reports().map(({ stage }) => stage);
  const ask = async () => {
    const answers = createAnswers({ vaults: { open: async () => vault }, onAnswer: () => undefined });
    const question = { case: 'points', value: { limit: 10 } } as const;
    answers.ask([create(RecoveryQuestionSchema, { id: idBytes(newId()), machineId: idBytes(source.machineId), vault: 'main', question })]);
    await until('an answer', () => answers.all().length === 1);
    return create(RecoveryAnswerSchema, answers.all()[0]!);
  };

  it('are made one after the other, signed, kept in the vault, and told with the points', async () => {
    await open();
    const [first, second] = [
      wanted({
        checks: { console: 'a.b (c)', ports: [22], checkFileSystems: true, awaitAgent: true, script: 'ledger', patienceSeconds: 7 },
      }),
      wanted({ pointId: idBytes(points[2]!) }),
    ];
    proofs!.want([first!, second!]);
    proofs!.want([first!, second!]);
    await until('the first attempt', () => attempts.length === 1);
    const { options, end } = attempts[0]!;
    expect(options).toMatchObject({
      pointId: points[1],
      operationId: idText(first!.id),
      ports: [22],
      checkFileSystems: true,
      awaitAgent: true,
      patience: 7000,
      script: '/scripts/ledger',
    });
    // Nobody who writes a policy steers a pattern.
    expect([options.console.test('x a.b (c) y'), options.console.test('aXb c')]).toEqual([true, false]);
    expect(stages()).toEqual([WORKING, WORKING]);
    end(true);
    await until('the second attempt', () => attempts.length === 2);
    expect(proofs!.reports()[0]).toMatchObject({ stage: REACHED, proof: { number: 1n, pointId: points[1], passed: true, faults: [] } });
    expect(attempts[1]!.options.console.test('db1 login: ')).toBe(true);
    attempts[1]!.end(false);
    await until('its end', () => stages()[1] === REACHED);
    expect(proofs!.reports()[1]).toMatchObject({ proof: { number: 2n, passed: false, steps: [{ name: 'console', passed: false }] } });
    const { points: told, lastProven } = await ask();
    expect(told.map(({ id, proof }) => [points.indexOf(id), proof?.passed])).toEqual([
      [2, false],
      [1, true],
      [0, undefined],
    ]);
    expect(lastProven).toMatchObject({ number: 1n, pointId: points[1], signer: expect.stringMatching(/^[0-9a-f]{64}$/) });
    proofs!.want([]);
    expect(proofs!.reports()).toEqual([]);
  });

  it('count for nothing when what lies in the vault is not what was signed', async () => {
    const forged: typeof provePoint = async (options) => {
      const proof = await scripted(options);
      const other = { ...proof, console: Buffer.from('forged login: ') };
      return { ...other, number: await recordProof(vault, options.machineId, other) };
    };
    await open(forged);
    proofs!.want([wanted()]);
    await until('an attempt', () => attempts.length === 1);
    attempts[0]!.end(true);
    await until('its end', () => stages()[0] === REACHED);
    expect(proofs!.reports()[0]!.proof).toMatchObject({ number: 2n, passed: false, faults: [expect.stringContaining('console')] });
    expect((await ask()).lastProven?.number).toBe(1n);
  });

  it('say why nothing could be tried, and are given up when nobody wants them any more', async () => {
    await open(() => Promise.reject(new HoldfastError('POINT_NOT_FOUND', { thing: 'point', why: 'it was thinned', remedy: 'another' })));
    proofs!.want([wanted()]);
    await until('its end', () => stages()[0] === FAILED);
    expect(proofs!.reports()[0]).toMatchObject({ problemCode: 'POINT_NOT_FOUND', problem: expect.stringContaining('thinned') });
    await proofs!.close();
    await open();
    const [first, second] = [wanted(), wanted()];
    proofs!.want([first!, second!]);
    await until('an attempt', () => attempts.length === 1);
    proofs!.want([second!]);
    await until('the other one', () => attempts.length === 2);
    expect(attempts[0]!.options.signal.aborted).toBe(true);
    expect(proofs!.reports()).toHaveLength(1);
  });

  it('leave nothing behind when this server is killed under one', async () => {
    await open();
    const work = wanted();
    proofs!.want([work]);
    await until('an attempt', () => attempts.length === 1);
    const id = idText(work.id);
    expect(await readdir(directory)).toEqual([`${id}.json`]);
    // As a kill leaves it: what was made, and the note. The store is away when the next one starts.
    const note = await readFile(path.join(directory, `${id}.json`), 'utf8');
    await proofs!.close();
    expect(await readdir(directory)).toEqual([]);
    await mkdir(path.join(directory, id));
    await writeFile(path.join(directory, `${id}.json`), note);
    isAway = true;
    await open();
    await new Promise((resolve) => setImmediate(resolve));
    expect(discarded).toEqual([]);
    isAway = false;
    await until('nothing is left', async () => (await readdir(directory)).length === 0);
    expect(discarded).toEqual([id]);
  });

  it('are cleared away later and later where that removes nothing', async () => {
    const id = idText(wanted().id);
    await mkdir(path.join(directory, id));
    await writeFile(path.join(directory, `${id}.json`), JSON.stringify({ vault: 'main', fabric: 'qemu' }));
    isStuck = true;
    await open();
    const begun = performance.now();
    await until('it was tried', () => discarded.length >= 5);
    // 5, 10, 20 and 40 ms lie between five attempts.
    expect(performance.now() - begun).toBeGreaterThan(70);
    isStuck = false;
    await until('nothing is left', async () => (await readdir(directory)).length === 0);
  });

  it('are of the newest point when their turn comes', async () => {
    await open();
    const choose = { choice: { case: 'newest', value: PointKind.CRASH } } as const;
    const [first, second] = [wanted(), wanted({ pointId: idBytes(points[0]!), choose })];
    proofs!.want([first, second]);
    await until('the first one', () => attempts.length === 1);
    const writer = await openLogWriter(vault, source.machineId, {});
    source.scribble(1);
    await writer.append((await source.cut()).content);
    await writer.close();
    const { id: newest, time } = (await readMachine(vault, source.machineId)).points.at(-1)!;
    attempts[0]!.end(true);
    await until('the second one', () => attempts.length === 2);
    expect([attempts[1]!.options.pointId, points.includes(newest)]).toEqual([newest, false]);
    // The agent inside is told of which instant its machine is.
    expect(adaptedTo).toEqual([0, time]);
  });

  /** One that hears nothing, as what waits in the kernel or for a vault, and leaves what it made when it ends in the end. */
  const deaf: typeof provePoint = async (options) => {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    attempts.push({ options, end: resolve });
    await mkdir(path.join(directory, options.operationId!));
    await promise;
    throw new HoldfastError('CONNECTION_LOST', { thing: 'store', why: 'it is away', remedy: 'wait' });
  };

  it('do not wait for one whose vault goes away; what is left of that goes when the vault is back', async () => {
    await open(deaf);
    const [first, second] = [wanted({ vault: 'other' }), wanted()];
    proofs!.want([first, second]);
    await until('the first one', () => attempts.length === 1);
    away = 'other';
    await until('the second one', () => attempts.length === 2);
    expect(proofs!.reports()[0]).toMatchObject({
      stage: FAILED,
      problemCode: 'STORE_UNAVAILABLE',
      problem: expect.stringMatching(/vault other.*away/),
    });
    expect([stages()[1], attempts[1]!.options.operationId, discarded]).toEqual([WORKING, idText(second.id), []]);
    const left = path.join(directory, idText(first.id));
    attempts[0]!.options.onStep!({ name: 'console', passed: true, detail: '', seconds: 1 });
    attempts[0]!.end(true);
    away = undefined;
    await until('nothing is left', async () => !(await readdir(directory)).includes(path.basename(`${left}.json`)));
    expect([discarded, stages()[0]]).toEqual([[idText(first.id)], FAILED]);
  });

  it('do not wait long for one that nobody wants any more; wanted anew, it waits for its own end', async () => {
    await open(deaf);
    const [first, second] = [wanted(), wanted()];
    proofs!.want([first, second]);
    await until('the first one', () => attempts.length === 1);
    proofs!.want([second]);
    await until('the second one', () => attempts.length === 2);
    expect(attempts[1]!.options.operationId).toBe(idText(second.id));
    proofs!.want([first]);
    await new Promise((resolve) => setImmediate(resolve));
    expect(attempts).toHaveLength(2);
    for (const { end } of attempts) end(true);
    await until('the first one again', () => attempts.length === 3);
    expect([attempts[2]!.options.operationId, discarded]).toContain(idText(first.id));
  });

  it('do not wait for what is left of another one in a vault that is away', async () => {
    const [left, other] = [wanted(), wanted()];
    const id = idText(left.id);
    await mkdir(path.join(directory, id));
    await writeFile(path.join(directory, `${id}.json`), JSON.stringify({ vault: 'gone', fabric: 'qemu' }));
    await open();
    proofs!.want([left, other]);
    await until('the other one', () => attempts.length === 1);
    expect(attempts.map(({ options }) => options.operationId)).toEqual([idText(other.id)]);
    proofs!.want([other]);
    expect(await readdir(directory)).toContain(`${id}.json`);
  });
});
