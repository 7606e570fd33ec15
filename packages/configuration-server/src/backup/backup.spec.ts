import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  AccessTokenService,
  AuditService,
  BackupService,
  EventService,
  MachineService,
  PersonRole,
  PolicyService,
  SessionService,
  TokenService,
  UserService,
} from '@holdfast/protocol';
import fc from 'fast-check';
import { connectAgent } from '../conformance/test-member.ts';
import { codeOf, endTestServers, enrolMember, startTestServer } from '../conformance/test-server.ts';
import { find } from '../records/kind.ts';
import { SITE as RECORD, sites } from '../records/kinds.ts';
import { openLevelStore } from '../state/level-store.ts';
import { writeBackup } from './content.ts';
import { createBackupKeeper, writeBackupFile } from './keep-backups.ts';
import { restore } from './restore.ts';
import { seal, unseal } from './sealed-stream.ts';

const SITE = 'a'.repeat(32);
const PASSPHRASE = 'a passphrase for tests';
/** Passphrases of these tests are no secrets. */
const CHEAP = { log2: 4, blockSize: 8, parallelization: 1 };
const silent = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent } as never;

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'holdfast-backup-'));
});
afterEach(async () => {
  await endTestServers();
  await rm(directory, { recursive: true, force: true });
});

async function* parts(...all: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* all;
}

const gather = async (content: AsyncIterable<Uint8Array>): Promise<Buffer> => {
  const all: Uint8Array[] = [];
  for await (const part of content) all.push(part);
  return Buffer.concat(all);
};

const codeOfReading = (bytes: Uint8Array, passphrase = PASSPHRASE): Promise<string> =>
  gather(unseal(parts(bytes), passphrase, 'it')).then(
    () => 'whole',
    (reason: { readonly code: string }) => reason.code,
  );

describe('a sealed stream', () => {
  it('gives back what went in, whatever its size and pieces', async () => {
    const content = fc.array(fc.uint8Array({ maxLength: 90_000 }), { maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(content, fc.integer({ min: 1, max: 70_000 }), async (pieces, size) => {
        const sealed = await gather(seal(parts(...pieces), PASSPHRASE, CHEAP));
        const cut = Array.from({ length: Math.ceil(sealed.length / size) }, (_, index) =>
          sealed.subarray(index * size, (index + 1) * size),
        );
        expect((await gather(unseal(parts(...cut), PASSPHRASE, 'it'))).equals(Buffer.concat(pieces))).toBe(true);
      }),
      { numRuns: 60 },
    );
  }, 60_000);

  it('gives nothing that was changed, cut off, put elsewhere or lengthened as whole', async () => {
    const sealed = await gather(seal(parts(Buffer.alloc(150_000, 7)), PASSPHRASE, CHEAP));
    expect(await codeOfReading(sealed)).toBe('whole');
    expect(await codeOfReading(sealed, 'another')).toBe('SIGN_IN_NEEDED');
    const chunk = 4 + 64 * 1024 + 16;
    const flipped = (at: number): Buffer => {
      const copy = Buffer.from(sealed);
      copy[at]! ^= 1;
      return copy;
    };
    for (const at of [0, 8, 13, 28, 40, 28 + chunk + 2, 28 + chunk + 9, sealed.length - 1])
      expect([at, await codeOfReading(flipped(at))]).toEqual([at, expect.stringMatching(/DAMAGED|SIGN_IN_NEEDED|STATE_VERSION/)]);
    const [header, first, second, last] = [
      sealed.subarray(0, 28),
      sealed.subarray(28, 28 + chunk),
      sealed.subarray(28 + chunk, 28 + 2 * chunk),
      sealed.subarray(28 + 2 * chunk),
    ];
    for (const wrong of [
      Buffer.alloc(0),
      header,
      Buffer.concat([header, first, second]),
      Buffer.concat([header, second, first, last]),
      Buffer.concat([header, first, last]),
      Buffer.concat([sealed, Buffer.from('x')]),
      sealed.subarray(0, -1),
    ])
      expect(await codeOfReading(wrong)).toMatch(/DAMAGED|SIGN_IN_NEEDED/);
    // Neither does it take all memory for a file that wants it.
    const greedy = Buffer.from(sealed);
    greedy[9] = 60;
    expect(await codeOfReading(greedy)).toBe('DAMAGED');
  }, 60_000);
});

describe('a backup', () => {
  const given = { 'backup.passphrase': PASSPHRASE };

  it('over the API makes the server again elsewhere: members, people, policies go on; what may be spent does not', async () => {
    const old = await startTestServer(given);
    const machine = await enrolMember(old, 'agent', 'web1');
    await old.api(PolicyService).createPolicy({ policy: { name: 'gold' } });
    await old.api(UserService).createUser({ name: 'anna', role: PersonRole.OPERATOR, password: 'four words make it' });
    const session = await old.client(SessionService).signIn({ name: 'anna', password: 'four words make it' });
    const { secret } = await old.api(TokenService).createToken({ role: 1 });
    const taken: Uint8Array[] = [];
    for await (const { part } of old.api(BackupService).createBackup({})) taken.push(part);
    const backup = Buffer.concat(taken);
    expect(backup.includes('web1')).toBe(false);
    await old.api(PolicyService).createPolicy({ policy: { name: 'later' } });
    await old.stop();

    const place = path.join(directory, 'new');
    const { records } = await restore({ content: parts(backup), passphrase: PASSPHRASE, thing: 'it', stateDirectory: place });
    expect(records).toBeGreaterThan(10);
    // The token of the first administrator lay in the state that is lost: there is another one, and that one counts still where somebody has it.
    expect((await stat(path.join(place, 'administrator.token'))).mode & 0o777).toBe(0o600);
    const fresh = await startTestServer({}, place);
    expect(fresh.fingerprint).toBe(old.fingerprint);
    expect((await fresh.api(PolicyService).listPolicies({})).policies.map(({ name }) => name).toSorted()).toEqual(['default', 'gold']);
    expect((await fresh.api(MachineService).listMachines({})).machines.map(({ name }) => name)).toEqual(['web1']);
    const stream = connectAgent(fresh, machine, 'web1');
    expect(await stream.until(() => true)).toBeDefined();
    await stream.close();
    expect(await codeOf(fresh.client(PolicyService, { token: session.token }).listPolicies({}))).toBe('SIGN_IN_NEEDED');
    expect(await codeOf(fresh.client(SessionService).signIn({ name: 'anna', password: 'four words make it' }))).toBe('no error');
    expect((await fresh.api(TokenService).listTokens({})).tokens.map(({ id }) => id)).toEqual([]);
    expect(secret).not.toBe('');
    expect(fresh.administrator).not.toBe(old.administrator);
    expect(await codeOf(fresh.client(PolicyService, { token: old.administrator }).listPolicies({}))).toBe('no error');
    const named = async () => (await fresh.api(AccessTokenService).listAccessTokens({})).accessTokens.map(({ name }) => name).toSorted();
    expect(await named()).toEqual(['administrator', 'administrator-restored']);
    // Restored once more, out of a backup of this one: there is one such token, and the one before is worth nothing.
    const again: Uint8Array[] = [];
    await fresh.stop();
    const secured = await startTestServer(given, place);
    for await (const { part } of secured.api(BackupService).createBackup({})) again.push(part);
    await secured.stop();
    const third = path.join(directory, 'third');
    await restore({ content: parts(...again), passphrase: PASSPHRASE, thing: 'it', stateDirectory: third });
    const last = await startTestServer({}, third);
    expect(await codeOf(last.client(PolicyService, { token: fresh.administrator }).listPolicies({}))).toBe('SIGN_IN_NEEDED');
    expect(await codeOf(last.api(PolicyService).listPolicies({}))).toBe('no error');
    expect((await last.api(EventService).listEvents({})).events.map(({ code }) => code)).toContain('restored');
    expect((await last.api(AuditService).listAudit({ pageSize: 500 })).records.map(({ action }) => action)).toEqual(
      expect.arrayContaining(['Restore', 'CreateBackup', 'CreateUser']),
    );
  }, 60_000);

  it('is refused without a passphrase, and to those who do not rule', async () => {
    const server = await startTestServer();
    const all = async (token: string): Promise<void> => {
      for await (const _ of server.client(BackupService, { token }).createBackup({}));
    };
    expect(await codeOf(all(server.administrator))).toBe('SETTING_INVALID');
  });

  it('is not put where there is a state, and leaves no server behind when it is damaged', async () => {
    const server = await startTestServer(given);
    const taken: Uint8Array[] = [];
    for await (const { part } of server.api(BackupService).createBackup({})) taken.push(part);
    const backup = Buffer.concat(taken);
    const to = (stateDirectory: string, bytes: Buffer = backup) =>
      restore({ content: parts(bytes), passphrase: PASSPHRASE, thing: 'it', stateDirectory }).then(
        () => 'restored',
        (reason: { readonly code: string }) => reason.code,
      );
    expect(await to(server.directory)).toBe('OBJECT_EXISTS');
    const place = path.join(directory, 'damaged');
    expect(await to(place, backup.subarray(0, -1))).toBe('DAMAGED');
    expect(await readdir(place).catch(() => [])).not.toContain('authority');
    // Nothing of it is mixed with the copy that is used instead.
    async function* without() {
      yield { key: 'm/state', value: { format: 1, revision: 1, compacted: 0, events: 0, audit: 0, changes: 0 } };
      yield { key: 'd/user/left-over', value: { r: 1, s: 1, v: {} } };
    }
    const incomplete = await gather(writeBackup({ made: 0, software: '' }, without(), PASSPHRASE));
    expect(await to(place, incomplete)).toBe('DAMAGED');
    expect(await readdir(place)).toEqual([]);
    expect(await to(place)).toBe('restored');
    expect((await stat(path.join(place, 'authority', 'authority.key'))).mode & 0o777).toBe(0o600);
  }, 60_000);

  it('makes another authority before anybody is served, where somebody may have the key in it', async () => {
    const server = await startTestServer({ 'backup.passphrase': PASSPHRASE });
    const web = await enrolMember(server, 'agent', 'web');
    const taken: Uint8Array[] = [];
    for await (const { part } of server.api(BackupService).createBackup({})) taken.push(part);
    await server.stop();
    const restored = async (name: string, compromised: boolean) => {
      const stateDirectory = path.join(directory, name);
      const { fingerprint } = await restore({ content: parts(...taken), passphrase: PASSPHRASE, thing: 'it', stateDirectory, compromised });
      expect(fingerprint).toBe(server.fingerprint);
      return startTestServer({}, stateDirectory);
    };
    // The control: as it was.
    const same = await restored('same', false);
    expect(same.fingerprint).toBe(server.fingerprint);
    const other = await restored('other', true);
    expect(other.fingerprint).not.toBe(server.fingerprint);
    expect((await connectAgent(other, web, 'web').ended)?.code).toBe('CERTIFICATE_UNTRUSTED');
    const { events } = await other.api(EventService).listEvents({ pageSize: 100 });
    expect(events.filter(({ code }) => code === 'authority-replaced')).toMatchObject([{ actor: 'restore' }]);
    expect((await enrolMember(other, 'agent', 'web')).id).toBe(web.id);
  }, 60_000);
});

/** The id of an installation, out of the state of a server that is stopped for it. */
const siteOf = async (state: string, stop: () => Promise<unknown>): Promise<{ readonly siteId: string }> => {
  await stop();
  const store = await openLevelStore(path.join(state, 'state'), { events: 1000, audit: 1000, changes: 1000 });
  const site = await find(store, sites, RECORD);
  await store.close();
  return { siteId: site!.value.id };
};

describe('backups by themselves', () => {
  it('are written, read back, and thinned to the newest', async () => {
    const server = await startTestServer({
      'backup.passphrase': PASSPHRASE,
      'backup.directory': directory,
      'backup.interval': '1s',
      'backup.keep': '2',
    });
    const backups = async (): Promise<string[]> => (await readdir(directory)).filter((name) => name.endsWith('.backup')).toSorted();
    const seen = new Set<string>();
    while (seen.size < 3) {
      for (const name of await backups()) seen.add(name);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    while ((await backups()).length > 2) await new Promise((resolve) => setTimeout(resolve, 20));
    await server.stop();
    const newest = path.join(directory, (await backups()).at(-1)!);
    expect((await stat(newest)).mode & 0o777).toBe(0o600);
    const { head } = await restore({
      content: parts(await readFile(newest)),
      passphrase: PASSPHRASE,
      thing: newest,
      stateDirectory: path.join(directory, 'restored'),
    });
    expect(Date.now() - head.made).toBeLessThan(600_000);
  }, 60_000);

  it('go on where a clock that was wrong left one of a time to come, and beside those of another installation', async () => {
    const others = ['holdfast-bbbbbbbb-20200101T000000Z.backup', 'holdfast-bbbbbbbb-20990101T000000Z.backup'];
    for (const name of others) await writeFile(path.join(directory, name), '');
    const first = await startTestServer();
    const { siteId } = await siteOf(first.directory, first.stop);
    const ahead = `holdfast-${siteId.slice(0, 8)}-20990101T000000Z.backup`;
    await writeFile(path.join(directory, ahead), '');
    const server = await startTestServer(
      { 'backup.passphrase': PASSPHRASE, 'backup.directory': directory, 'backup.keep': '1' },
      first.directory,
    );
    let names: string[] = [];
    while (names.length < 4) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      names = (await readdir(directory)).filter((name) => name.endsWith('.backup'));
    }
    expect(names).toEqual(expect.arrayContaining([ahead, ...others]));
    await server.stop();
  }, 60_000);

  it('leave nothing half behind, and say what is wrong', async () => {
    const make = () => parts(Buffer.from('no backup at all'));
    await expect(writeBackupFile({ directory, site: SITE, keep: 1, passphrase: PASSPHRASE, make })).rejects.toMatchObject({
      code: 'DAMAGED',
    });
    expect(await readdir(directory)).toEqual([]);
    const stop = new AbortController();
    const keeper = createBackupKeeper({
      directory: path.join(directory, 'missing'),
      site: SITE,
      interval: 1000,
      keep: 1,
      passphrase: PASSPHRASE,
      make,
      log: silent,
    });
    const running = keeper.run(stop.signal);
    while (keeper.problem() === undefined) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(keeper.problem()).toContain('OBJECT_NOT_FOUND');
    stop.abort();
    await running;
  });
});
