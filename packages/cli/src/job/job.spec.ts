import { JobState } from '@holdfast/protocol';
import { type LoggedIn, logIn } from '../testing/logged-in.ts';
import { SAMPLE_NOW, sampleScript } from '../testing/sample-site.ts';

const WAITING = 'aa'.repeat(16);
const FAILED = 'bb'.repeat(16);
const QUESTION = 'cc'.repeat(16);

describe('jobs', () => {
  let user: LoggedIn;
  beforeEach(async () => {
    const script = sampleScript();
    script.jobs.push(
      {
        id: WAITING,
        kind: 'failover',
        state: JobState.WAITING_FOR_INPUT,
        createdUnixMillis: BigInt(SAMPLE_NOW - 90_000),
        startedBy: 'anna',
        input: { plan: 'shop' },
        question: { id: QUESTION, text: 'Switch the load balancer', choices: [{ word: 'done', meaning: 'it was done' }] },
      },
      {
        id: FAILED,
        kind: 'point',
        state: JobState.FAILED,
        createdUnixMillis: BigInt(SAMPLE_NOW - 60_000),
        endedUnixMillis: BigInt(SAMPLE_NOW - 15_000),
        problemCode: 'DAMAGED',
        problem: '[DAMAGED] it is broken',
        retryable: true,
      },
    );
    user = await logIn(script);
  });
  afterEach(() => user.close());

  it('are listed by kind and state, with how long they took', async () => {
    const listed = (await user.json(['job', 'list', '--state', 'waiting for input', '--state', 'failed', '--kind', 'point'])) as object[];
    expect(listed).toMatchObject([{ id: FAILED, seconds: 45, retryable: true }]);
    const { stdout } = await user.run(['job', 'list']);
    expect(stdout).toMatch(/aaaa\w* +failover .*waiting for input.* 1 min 30 s .*Switch the load balancer/);
    const wrong = await user.run(['job', 'list', '--state', 'dancing']);
    expect(wrong).toMatchObject({ status: 2, stderr: expect.stringContaining('waiting for input') });
  });

  it('that are cancelled end a little later, and say so', async () => {
    const { status, stdout } = await user.run(['job', 'cancel', 'aaaa']);
    expect([status, stdout]).toEqual([0, expect.stringContaining('It is being cancelled: `holdfast job watch aaaaaaaaaaaa` tells')]);
  });

  it('are asked for by time', async () => {
    for (const word of ['24h', '2026-11-22T01:02:03Z']) expect((await user.run(['job', 'list', '--since', word])).status).toBe(0);
    for (const word of ['yesterday', '2026-11-22', '-5h'])
      expect(await user.run(['job', 'list', `--until=${word}`])).toMatchObject({
        status: 2,
        stderr: expect.stringContaining('SETTING_INVALID'),
      });
  });

  it('tell what they ask, and take the answer to that question', async () => {
    const { stdout } = await user.run(['job', 'show', 'aaaa']);
    expect(stdout).toContain('It waits for an answer: Switch the load balancer');
    expect(stdout).toContain(`holdfast job answer ${WAITING.slice(0, 12)} done   it was done`);
    expect(stdout).toContain('plan shop');
    const said = await user.json(['job', 'answer', 'aaaa', 'done', '--note', 'by hand']);
    expect(said).toMatchObject({
      state: 'succeeded',
      question: null,
      steps: [{ answer: { choice: 'done', note: 'by hand', by: 'anna' } }],
    });
  });

  it('that failed say that they can go on, and do', async () => {
    expect((await user.run(['job', 'show', 'bbbb'])).stdout).toContain(`holdfast job retry ${FAILED.slice(0, 12)}`);
    const { stdout, status } = await user.run(['job', 'retry', 'bbbb', '--wait', '--output', 'json']);
    expect({ ...(JSON.parse(stdout) as object), status }).toMatchObject({ state: 'succeeded', tries: 2, status: 0 });
  });

  it('are exported for spreadsheets', async () => {
    const { stdout } = await user.run(['job', 'list', '--output', 'csv', '--kind', 'failover']);
    const [head, row] = stdout.split('\r\n');
    expect(head).toContain('id,version,kind,state');
    expect(row).toContain(`${WAITING},0,failover,waiting for input`);
  });
});
