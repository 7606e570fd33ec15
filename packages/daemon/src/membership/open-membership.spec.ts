import { mkdir, mkdtemp, readFile, rm, rmdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { formatRecoveryMarker, RECOVERY_MARKER } from '@holdfast/protocol';
import { openTestSite, type TestSite } from '../conformance/test-site.ts';
import { createHealth } from '../health/create-health.ts';
import { createMetrics } from '../metrics/create-metrics.ts';
import { recordingLog } from '../testing/recording-log.ts';
import { IDENTITY_FILE, readIdentity } from './identity-file.ts';
import { joinSite } from './join-site.ts';
import type { MembershipOptions } from './membership.ts';
import { openMembership } from './open-membership.ts';

const hardware = { productUuid: 'b0a7', productSerial: '', macAddresses: ['52:54:00:00:00:01'], machineId: 'a'.repeat(32) };

describe('openMembership', () => {
  let site: TestSite;
  let directory: string;
  let ends: (() => Promise<void>)[];
  beforeEach(async () => {
    [site, directory] = await Promise.all([openTestSite(), mkdtemp(path.join(tmpdir(), 'member-'))]);
    ends = [];
  });
  afterEach(async () => {
    for (const end of ends) await end();
    await Promise.all([site.close(), rm(directory, { recursive: true })]);
  });

  const join = (lifetime = 3_600_000) => {
    site.lifetime = lifetime;
    const options = { server: site.address, token: site.createToken(), fingerprint: site.fingerprint, hostname: 'x', version: '1' };
    return joinSite({ ...options, role: 'agent', hardware, directory });
  };

  const open = async (options: Partial<MembershipOptions> = {}) => {
    const { log, lines, line } = recordingLog();
    const [health, metrics] = [createHealth(), createMetrics('test', '1')];
    const membership = await openMembership({ directory, role: 'agent', hardware, log, health, metrics, ...options });
    const keep = (): Promise<void> => {
      const stopping = new AbortController();
      const kept = membership.keepRenewed(stopping.signal);
      ends.push(() => {
        stopping.abort();
        return kept.catch(() => undefined);
      });
      return kept;
    };
    return { membership, log, lines, line, health, metrics, keep };
  };

  it('gives what the enrolment gave', async () => {
    const { id, notAfter } = await join();
    const { membership } = await open();
    expect(membership).toMatchObject({ id, role: 'agent', incarnation: 1, hardware, notAfter });
    expect(membership.servers.all()).toEqual([site.address]);
    expect(membership.credentials.current().key).toContain('PRIVATE KEY');
  });

  it('follows a configuration server that moved', async () => {
    await join();
    const server = { host: 'other.example', port: 443 };
    expect((await open({ server })).membership.servers.current()).toEqual(server);
  });

  it('names what is missing', async () => {
    await expect(open()).rejects.toMatchObject({ code: 'NOT_ENROLLED', thing: directory, remedy: expect.stringContaining('token') });
  });

  it('refuses a state directory that was copied to another machine', async () => {
    await join();
    const other = { ...hardware, productUuid: 'c0ffee' };
    await expect(open({ hardware: other })).rejects.toMatchObject({ code: 'AGENT_CLONED', remedy: expect.stringContaining(directory) });
    await expect(open({ hardware: { ...hardware, macAddresses: [] } })).resolves.toBeDefined();
  });

  it('refuses a machine that was recovered from a point, on whatever hardware, until it is enrolled', async () => {
    await join();
    const marker = path.join(directory, RECOVERY_MARKER);
    const said = { machineId: '', machineName: 'db1', pointTime: '2026-11-22T01:00:00Z', recovered: '2026-11-22T02:00:00Z' };
    for (const [text, told] of [
      [formatRecoveryMarker(said), '2026-11-22T01:00:00Z of db1'],
      ['torn {', 'another machine'],
    ] as const) {
      await writeFile(marker, text);
      await expect(open()).rejects.toMatchObject({ code: 'AGENT_CLONED', why: expect.stringContaining(told) });
    }
    await join();
    await expect(open()).resolves.toBeDefined();
  });

  it("refuses another program's state directory", async () => {
    await join();
    await expect(open({ role: 'process-server' })).rejects.toMatchObject({ code: 'IDENTITY_MISMATCH' });
  });

  it('renews with a new key, again and again, and each is on disk before it is used', async () => {
    // Times in certificates are whole seconds: of this one between two and three are left.
    await join(3000);
    const { membership, keep } = await open();
    const keys = new Set([membership.credentials.current().key]);
    const two = new Promise<void>((resolve) =>
      membership.onRenewed(() => {
        keys.add(membership.credentials.current().key);
        if (keys.size === 3) resolve();
      }),
    );
    void keep();
    await two;
    expect(site.renewals).toBeGreaterThanOrEqual(2);
    expect((await readIdentity(directory)).key).toBe(membership.credentials.current().key);
  });

  it('uses a renewed certificate that cannot be stored, and stores it when it can be, without asking for another each time', async () => {
    await join(4000);
    const { membership, keep, line } = await open();
    const first = membership.credentials.current().key;
    const inTheWay = path.join(directory, `${IDENTITY_FILE}.new`);
    await mkdir(inTheWay);
    let used = 0;
    const excess: number[] = [];
    membership.onRenewed(() => {
      used += 1;
      excess.push(site.renewals - used);
    });
    void keep();
    await line(({ message }) => message.startsWith('The certificate could not be renewed'));
    expect(used).toBeGreaterThanOrEqual(1);
    expect(membership.credentials.current().key).not.toBe(first);
    expect((await readIdentity(directory)).key).toBe(first);
    await rmdir(inTheWay);
    await line(({ message }) => message === 'The certificate was renewed');
    expect((await readIdentity(directory)).key).not.toBe(first);
    expect(new Set(excess)).toEqual(new Set([0]));
  });

  it('renews at about half of the life, not before', async () => {
    await join(4000);
    const begin = Date.now();
    const { membership, keep } = await open();
    const renewed = new Promise<number>((resolve) => membership.onRenewed(() => resolve(Date.now() - begin)));
    void keep();
    const after = await renewed;
    // Times in certificates are whole seconds.
    expect(after).toBeGreaterThan(500);
    expect(after).toBeLessThan(4000);
  });

  it('counts the life of a certificate from when it came: authorities date them back', async () => {
    const certify = site.authority.certify.bind(site.authority);
    const backdated = jest.spyOn(site.authority, 'certify').mockImplementation((request, who) => {
      const [notBefore, notAfter] = [new Date(Date.now() - 3_600_000), new Date(Date.now() + 60_000)];
      return certify(request, who, { notBefore, notAfter });
    });
    await join();
    const { health, keep } = await open();
    void keep();
    expect((await health.report()).ready).toBe(true);
    await site.stop();
    expect(backdated).toHaveBeenCalledTimes(1);
  });

  it('does not renew without end when what comes has ended already', async () => {
    const certify = site.authority.certify.bind(site.authority);
    await join();
    const old = jest.spyOn(site.authority, 'certify').mockImplementation((request, who) => {
      const [notBefore, notAfter] = [new Date(Date.now() - 3_600_000), new Date(Date.now() - 60_000)];
      return certify(request, who, { notBefore, notAfter });
    });
    await join();
    const { keep, line } = await open();
    void keep();
    await line(({ message }) => message.includes('could not be renewed'));
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect(old.mock.calls.length).toBeLessThan(5);
  });

  it('goes on trying while the server is away, is loud when little of the life is left, and recovers', async () => {
    await join(8000);
    const { membership, keep, line, health } = await open();
    await site.stop();
    void keep();
    expect(await line(({ message }) => message.includes('not be renewed yet'))).toMatchObject({ level: 'info' });
    expect((await health.report()).ready).toBe(true);
    expect(await line(({ level }) => level === 'warn')).toMatchObject({
      problem: expect.stringMatching(/ends in \d s; renewing it fails: .*CONNECTION_LOST/),
    });
    expect((await health.report()).ready).toBe(false);
    site.lifetime = 3_600_000;
    const renewed = new Promise<void>((resolve) => membership.onRenewed(resolve));
    await site.start();
    await renewed;
    expect((await health.report()).ready).toBe(true);
    expect(membership.notAfter - Date.now()).toBeGreaterThan(3_000_000);
  });

  it('says what to do when the certificate ended, and shows when it does', async () => {
    await join(1000);
    const { keep, line, health, metrics } = await open();
    await site.stop();
    void keep();
    await line(({ problem }) => String(problem).includes('CERTIFICATE_EXPIRED'));
    expect((await health.report()).checks[0]!.problem).toMatch(/ended .* ago.*new token/);
    expect(await metrics.text()).toMatch(/holdfast_certificate_end_timestamp_seconds \d{10}/);
    await site.start();
    await line(({ error }) => (error as { code?: string } | undefined)?.code === 'CERTIFICATE_EXPIRED');
  });

  it('tells at once that it is revoked', async () => {
    const { id } = await join(3000);
    const { keep, line, health } = await open();
    site.revoke(id);
    void keep();
    expect(await line(({ level }) => level === 'warn')).toMatchObject({ error: { code: 'CERTIFICATE_REVOKED' } });
    expect((await health.report()).ready).toBe(false);
  });

  it('opens with a certificate that ended, so that work on the machine goes on', async () => {
    await join(1000);
    await new Promise((resolve) => setTimeout(resolve, 1100));
    const { health, keep } = await open();
    void keep();
    expect((await health.report()).checks[0]!.problem).toContain('CERTIFICATE_EXPIRED');
  });

  it('ends when the machine joined anew, and the next start finds the newer identity', async () => {
    await join();
    const { keep } = await open();
    const kept = keep();
    await join();
    await expect(kept).rejects.toMatchObject({ code: 'INTERRUPTED', why: expect.stringMatching(/joined anew, .* enrolment 2/) });
    expect((await open()).membership.incarnation).toBe(2);
  });

  it('does not put the older identity back when the machine joins during a renewal', async () => {
    await join(3000);
    const { keep } = await open();
    const certify = site.authority.certify.bind(site.authority);
    jest.spyOn(site.authority, 'certify').mockImplementationOnce(async (request, who, flaws) => {
      const answer = await certify(request, who, flaws);
      await join();
      return answer;
    });
    await expect(keep()).rejects.toMatchObject({ code: 'INTERRUPTED' });
    expect((await readIdentity(directory)).incarnation).toBe(2);
  });

  it('warns when others can read the key', async () => {
    await join();
    const file = path.join(directory, IDENTITY_FILE);
    const text = await readFile(file);
    await rm(file);
    await writeFile(file, text, { mode: 0o644 });
    expect((await open()).lines).toMatchObject([{ level: 'warn', message: expect.stringContaining('private key') }]);
  });
});
