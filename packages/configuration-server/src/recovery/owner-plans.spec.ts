import { Direction, JobState, RecoveryGoal, RecoveryService, RecoveryState, ServerService } from '@holdfast/protocol';
import { codeOf, endTestServers } from '../conformance/test-server.ts';
import { find } from '../records/kind.ts';
import { type Transaction, transact } from '../records/transaction.ts';
import { createMemoryStore } from '../state/memory-store.ts';
import { ended, openProtectedSite, type RecoverySite, recoveriesOf, until } from '../testing/recovery-site.ts';
import { addCommitted, removeCommitted } from './committed.ts';
import { committedRecoveries } from './recovery-record.ts';

const { RUNNING } = RecoveryGoal;

describe('a machine that was recovered', () => {
  let site: RecoverySite;
  const api = () => site.server.api(RecoveryService);

  beforeEach(async () => {
    site = await openProtectedSite();
  });
  afterEach(endTestServers);

  const failOver = async () => {
    const { job } = await api().failover({ machine: 'web1', point: 'latest-processed', direction: Direction.FORWARD });
    expect((await ended(site.server, job)).state).toBe(JobState.SUCCEEDED);
  };

  /** Its process server is lost, and removed by force. */
  const removeServer = async () => {
    await site.disconnect();
    const servers = site.server.api(ServerService);
    // That it is away is written down behind its end, and makes another version.
    const remove = async () => {
      const { version } = (await servers.listServers({})).servers.find(({ name }) => name === 'gw1')!;
      return codeOf(servers.removeServer({ server: 'gw1', version, force: true }));
    };
    await until('it is removed', async () => (await remove()) === 'no error');
  };

  it('switches a machine on again, and leaves one that was committed to its owner; its source stays fenced', async () => {
    await failOver();
    const [open] = await recoveriesOf(site.server, true);
    const { job } = await api().startMachine({ recovery: open!.id });
    expect(await ended(site.server, job)).toMatchObject({ state: JobState.SUCCEEDED, kind: 'start-machine' });
    expect(await codeOf(api().forgetRecovery({ recovery: open!.id }))).toBe('REQUEST_INVALID');
    const allowed = async () =>
      (await api().listOperations({ machine: 'web1' })).operations.filter((one) => one.allowed).map(({ operation }) => operation);
    expect(await allowed()).toContain('start-machine');
    expect(await allowed()).not.toContain('forget-recovery');
    await ended(site.server, (await api().commitFailover({ machine: 'web1' })).job);
    expect(await allowed()).toEqual(expect.arrayContaining(['start-machine', 'forget-recovery']));
    const { job: leaving } = await api().forgetRecovery({ recovery: open!.id });
    expect((await ended(site.server, leaving)).state).toBe(JobState.SUCCEEDED);
    expect(site.goals.at(-1)).toBe(RecoveryGoal.FORGOTTEN);
    await until('nothing is wanted', () => site.wanted().length === 0);
    expect(await recoveriesOf(site.server)).toMatchObject([{ state: RecoveryState.FORGOTTEN }]);
    for (const again of [api().forgetRecovery({ recovery: open!.id }), api().startMachine({ recovery: open!.id })])
      expect(await codeOf(again)).toBe('REQUEST_INVALID');
    expect(await allowed()).not.toContain('start-machine');
  });

  it('knows all machines of a source that were committed, until the last of them is left to its owner', async () => {
    const store = createMemoryStore({ events: 10, audit: 10, changes: 100 });
    const known = async () => (await find(store, committedRecoveries, 'm'))?.value;
    const commit = (work: (transaction: Transaction) => Promise<void>) => transact(store, work);
    for (const one of ['1', '2', '3', '3']) await commit((transaction) => addCommitted(transaction, 'm', one));
    expect(await known()).toEqual({ recovery: '3', older: ['2', '1'] });
    await commit((transaction) => removeCommitted(transaction, 'm', '3'));
    expect(await known()).toEqual({ recovery: '2', older: ['1'] });
    await commit((transaction) => removeCommitted(transaction, 'm', '1'));
    await commit((transaction) => removeCommitted(transaction, 'm', '1'));
    expect(await known()).toEqual({ recovery: '2' });
    await commit((transaction) => removeCommitted(transaction, 'm', '2'));
    expect(await known()).toBeUndefined();
  });

  it('says why a machine cannot be switched on, and waits for no server that was removed', async () => {
    await failOver();
    const [open] = await recoveriesOf(site.server, true);
    const start = async () => ended(site.server, (await api().startMachine({ recovery: open!.id })).job);
    site.failStarts('its disk is gone');
    const why = { problemCode: 'MACHINE_START_FAILED', problem: expect.stringContaining('its disk is gone') };
    expect(await start()).toMatchObject({ state: JobState.FAILED, ...why });
    site.hold(RUNNING, { code: 'TOOL_MISSING' });
    expect(await start()).toMatchObject({ state: JobState.FAILED, problemCode: 'TOOL_MISSING' });
    await removeServer();
    expect(await start()).toMatchObject({ state: JobState.FAILED, problemCode: 'RESOURCE_NOT_FOUND' });
  });

  it('can be left to its owner when its process server is lost', async () => {
    await failOver();
    const [open] = await recoveriesOf(site.server, true);
    await ended(site.server, (await api().commitFailover({ machine: 'web1' })).job);
    await removeServer();
    expect((await ended(site.server, (await api().forgetRecovery({ recovery: open!.id })).job)).state).toBe(JobState.SUCCEEDED);
    expect(await recoveriesOf(site.server)).toMatchObject([{ state: RecoveryState.FORGOTTEN }]);
  });
});
