import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { duplexPair } from 'node:stream';
import { HoldfastError } from '@holdfast/errors';
import { onLine } from '@holdfast/fabric';
import { createDesk, type Desk } from './desk.ts';

const failure = (thing: string, why: string) => new HoldfastError('GUEST_FAILED', { thing, why, remedy: 'look' });

let parent: string;
let desk: Desk;
beforeEach(async () => {
  parent = await mkdtemp(path.join(tmpdir(), 'desk-'));
  desk = await createDesk(path.join(parent, 'desk'), failure);
});
afterEach(() => rm(parent, { recursive: true }));

/** Stands in for agent.sh: `carryOut` gets every line of the host. */
const boot = async (carryOut: (verb: string, job: string, say: (line: string) => void) => void | Promise<void>): Promise<void> => {
  const [line, port] = duplexPair();
  const ready = desk.connect(line);
  const say = (text: string) => void port.write(`${text}\n`);
  onLine(port, (text) => {
    const [verb, job] = text.split(' ');
    void carryOut(verb!, job!, say);
  });
  say('ready');
  await ready;
};

const place = (job: string, file: string): string => path.join(desk.directory, job, file);

it('hands the script over and the outcome back, and clears the desk', async () => {
  await boot(async (_verb, job, say) => {
    await writeFile(place(job, 'stdout'), await readFile(place(job, 'script')));
    await writeFile(place(job, 'stderr'), 'complaint');
    say(`done ${job} 7`);
  });
  await expect(desk.run('echo "ä"', 60)).resolves.toEqual({ status: 7, stdout: 'echo "ä"', stderr: 'complaint' });
  expect(await readdir(desk.directory)).toEqual(['agent.sh']);
});

it('tells jobs apart that end in another order', async () => {
  const waiting: string[] = [];
  await boot((_verb, job, say) => {
    waiting.push(job);
    if (waiting.length === 2) for (const each of waiting.toReversed()) say(`done ${each} ${each}`);
  });
  const [first, second] = await Promise.all([desk.run('a', 60), desk.run('b', 60)]);
  expect([first.status, second.status]).toEqual([1, 2]);
});

it('gives up on a script at its deadline and has it killed', async () => {
  const lines: string[] = [];
  await boot((verb, job) => void lines.push(`${verb} ${job}`));
  await expect(desk.run('sleep infinity', 0.05)).rejects.toMatchObject({ code: 'GUEST_FAILED', why: 'it did not end within 0.05 s' });
  expect(lines).toEqual(['run 1', 'kill 1']);
});

it('keeps what a script had printed when the power was cut', async () => {
  await boot(async (_verb, job) => {
    await writeFile(place(job, 'stdout'), 'so far');
    desk.disconnect();
  });
  await expect(desk.run('work', 60)).resolves.toEqual({ status: undefined, stdout: 'so far', stderr: '' });
});

it('fails scripts under way when the guest dies, and new ones while it is off', async () => {
  await boot(() => desk.disconnect(failure('guest', 'kernel panic')));
  await expect(desk.run('work', 60)).rejects.toMatchObject({ why: 'kernel panic' });
  await expect(desk.run('work', 60)).rejects.toMatchObject({ why: 'the guest is off' });
});
