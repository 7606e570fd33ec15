import { cpSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openStore } from '@holdfast/object-store';
import { checkMachine, checkObjects, openVault, readKeyFile, readMachine } from '@holdfast/vault';
import type { RunContext } from '../../lab/context.ts';
import { until } from '../../lab/host/until.ts';
import { parseOptions } from '../../lab/options.ts';
import { createScreen } from '../../lab/output/screen.ts';
import { randomBelow } from '../../lab/random.ts';
import { cleanUp } from '../../lab/record/clean-up.ts';
import { createRecorder, newRunId } from '../../lab/record/run-record.ts';
import { removeLeftovers } from '../../lab/record/take-away.ts';
import type { ProgramProcess } from '../../site/program-process.ts';
import { together } from '../../site/together.ts';
import type { Resync, Scenario, Verdict } from '../scenario.ts';
import { createFaults, type Explanation } from '../site/faults.ts';
import { createLogDefects } from '../site/log-defects.ts';
import { createOpened } from '../site/opened.ts';
import { patience } from '../site/patience.ts';
import { install } from '../site/programs.ts';
import { withMemory } from '../site/remembering-store.ts';
import { protectMachine, type SiteMachine } from '../site/site-machine.ts';
import { createLedgerSource, createStampedSource, type Source } from '../site/sources.ts';

/** Verifications from one that compares, and reads again, also what takes long to the next. */
const PATIENT_EVERY = 5;
const REMEMBERED_BYTES = 512 * 1024 * 1024;

const keepLogs = (directory: string, programs: readonly Pick<ProgramProcess, 'logFile'>[]): void => {
  mkdirSync(directory, { recursive: true });
  for (const { logFile } of programs) cpSync(logFile, path.join(directory, `${path.basename(path.dirname(logFile))}.jsonl`));
};

/** A whole site, with a store, two process servers and three machines, and everything breaks. */
export const scenario: Scenario = {
  name: 'site',
  about: 'three machines under ledgers and stamps, two process servers, a store; programs, disks, networks and the store fail in every way',
  tools: ['filesystems', 'nbd', 'network'],
  setup: async ({ random, note, logs }) => {
    const seed = randomBelow(random, 1_000_000);
    const stopping = new AbortController();
    const context: RunContext = {
      options: parseOptions(['--seed', String(seed), '--point-every', '2', '--disk-size', '320']),
      screen: createScreen({ isTTY: false, write: (text: string) => note(text.trimEnd()) }),
      recorder: createRecorder(newRunId()),
      signal: stopping.signal,
    };
    await removeLeftovers(context.screen);
    const opened = createOpened(note);
    const close = (): Promise<void> => {
      stopping.abort();
      return opened.close();
    };
    const remove = async (): Promise<void> => {
      const { failures } = await cleanUp(context.recorder.file, context.recorder.record);
      for (const failure of failures) note(`left behind: ${failure}`);
    };
    try {
      const site = await install(context, seed, opened);
      note('store, configuration server and two process servers are at work');
      const stoppable = (source: Source): Source => {
        opened.add(() => source.stop());
        return source;
      };
      const sources: Readonly<Record<string, Source>> = {
        ledger: stoppable(await createLedgerSource(context)),
        'stamps-1': stoppable(await createStampedSource(context, 'stamps-1')),
        'stamps-2': stoppable(await createStampedSource(context, 'stamps-2')),
      };
      const machines = await together<SiteMachine[]>(
        Object.entries(sources).map(async ([name, source]) =>
          protectMachine(site.person, name, await site.addAgent(name, source.disks), source, opened),
        ),
      );
      note(`${machines.map(({ name }) => name).join(', ')} are protected`);

      const programs = [
        ...machines.map(({ member }) => member.program),
        ...site.servers.map(({ program }) => program),
        site.configurationServer.process,
      ];
      const failures = [...programs.map(({ failure }) => failure), ...machines.map(({ source }) => source.failure)];
      const members = [...machines.map(({ member }) => member), ...site.servers];
      const defects = createLogDefects([
        ...members.map(({ program, control }) => ({ file: program.logFile, way: `${control.host}:${control.port}` })),
        { file: site.configurationServer.process.logFile },
      ]);
      const store = await openStore(site.vault.url, { environment: { AZURE_STORAGE_KEY_FILE: site.vault.accountKeyFile } });
      const key = await readKeyFile(site.vault.keyFile);
      const asStored = await openVault(store, key);
      opened.add(() => asStored.close());
      const remembering = withMemory(store, REMEMBERED_BYTES);
      const repairs: (() => Promise<void> | void)[] = [];
      let told = '';
      let explanations: Explanation[] = [];
      let verifications = 0;
      /** Of each machine, objects that need not be read by its next turn: names and sizes. */
      const foundWell = machines.map(() => new Map<string, number>());
      const faults = createFaults({
        site,
        machines,
        repairs,
        tell: (line, explains) => {
          note(line);
          told = line;
          if (explains !== undefined) explanations.push(explains);
        },
      });

      const heal = async (): Promise<void> => {
        for (const repair of repairs.splice(0).reverse()) await repair();
      };
      /** Every machine has a point that began when all was well, and the configuration server knows of it. */
      const atRest = async (): Promise<void> => {
        const healed = Date.now();
        const isBeyond = async ({ newestPoint }: SiteMachine): Promise<boolean> => ((await newestPoint()) ?? 0) > healed;
        for (const machine of machines)
          await until(`a point of ${machine.name} after: ${told}`, () => isBeyond(machine), {
            seconds: patience(),
            everyMilliseconds: 100,
            signal: stopping.signal,
          });
        const seconds = (Date.now() - healed) / 1000;
        for (const { name, member } of machines) {
          const knows = async (): Promise<boolean> => {
            const shown = await site.person
              .look<{ connected: boolean; newestPoint: string | null }>(['machine', 'show', member.id], stopping.signal)
              .catch(() => undefined);
            return shown?.connected === true && Date.parse(shown.newestPoint ?? '') > healed;
          };
          await until(`the configuration server hears of ${name}`, knows, {
            seconds: patience(),
            everyMilliseconds: 200,
            signal: stopping.signal,
          });
        }
        note(`at rest after ${seconds.toFixed(1)} s`);
      };

      const verify = async (): Promise<Verdict> => {
        await heal();
        await Promise.race([atRest(), ...failures]);
        verifications += 1;
        const vault = await openVault(remembering, key);
        try {
          let points = 0;
          const wrong: string[] = [...defects.take()];
          const lost: string[] = [];
          const resyncs: Resync[] = [];
          for (const [index, machine] of machines.entries()) {
            const history = await readMachine(vault, machine.member.id);
            const began = performance.now();
            const isPatient = verifications % PATIENT_EVERY === 0;
            // By turns, since what a long run costs must not grow with the square of its length.
            const isTurn = verifications % machines.length === index;
            const isWholeTurn = isPatient && (verifications / PATIENT_EVERY) % machines.length === index;
            const verdict = await machine.judge(history, seed + verifications, isPatient);
            points += verdict.judged;
            wrong.push(...verdict.wrong);
            lost.push(...verdict.lost);
            for (const reason of verdict.resyncs)
              resyncs.push({
                reason,
                explainedBy: explanations.some((one) => one.machine === machine.name && one.reason.test(reason)) ? told : undefined,
              });
            if (isTurn || isWholeTurn) {
              const stored = await readMachine(asStored, machine.member.id);
              const findings = isWholeTurn ? (await checkMachine(stored)).findings : await checkObjects(stored, foundWell[index]!);
              for (const { object, why } of findings) wrong.push(`${machine.name}: ${object}: ${why}`);
            }
            note(`${machine.name}: ${verdict.judged} points compared in ${((performance.now() - began) / 1000).toFixed(1)} s`);
          }
          explanations = [];
          return { points, wrong, lost, resyncs };
        } finally {
          await vault.close();
        }
      };

      return {
        steps: {
          live: { weight: 6, run: async (chance) => sleep(300 + randomBelow(chance, 3000)) },
          'move a machine': {
            weight: 1,
            run: async (chance) => {
              const { member, name } = machines[randomBelow(chance, machines.length)]!;
              // Refused while another move is under way, or nobody is there to be asked: as it would be for people.
              const { status, stderr } = await site.person.run(['machine', 'move', member.id]);
              note(`${name} is to be moved: ${status === 0 ? 'taken' : stderr.trim().slice(0, 200)}`);
            },
          },
        },
        faults,
        verify,
        dispose: async () => {
          for (const repair of repairs.splice(0)) opened.add(repair);
          await close();
          if (logs !== undefined) keepLogs(logs, programs);
          await remove();
        },
      };
    } catch (reason) {
      // What stays open would keep this process for ever.
      await close();
      await remove();
      throw reason;
    }
  },
};
