import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { CheckResult, type Finding } from '@holdfast/protocol';
import { openReplicationSite, type ReplicationSite } from '@holdfast/protocol/conformance';
import type { RegisteredDisk } from '../disks/disk-registry.ts';
import { lookAround, type Surroundings } from './look-around.ts';

const { PASSED, WARNING, FAILED } = CheckResult;
const MIB = 1024 * 1024;

describe('an agent that looks around', () => {
  let directory: string;
  let site: ReplicationSite;
  beforeAll(async () => {
    [directory, site] = await Promise.all([mkdtemp(path.join(tmpdir(), 'holdfast-look-')), openReplicationSite()]);
    await mkdir(path.join(directory, 'scripts'));
  });
  afterAll(async () => {
    await site.close();
    await rm(directory, { recursive: true });
  });

  const disk = (kind: 'image' | 'device', name: string): RegisteredDisk => ({ id: 'a'.repeat(32), path: name, kind, size: MIB, key: name });
  const look = async (changes: Partial<Surroundings> = {}, processServers: string[] = []): Promise<Finding[]> =>
    lookAround(
      {
        findDisks: async () => [disk('image', '/srv/disk.img')],
        log: { directory: path.join(directory, 'not', 'made', 'yet'), quota: 64 * MIB },
        memory: { directory: undefined, bytes: 4096 },
        scripts: path.join(directory, 'scripts'),
        credentials: { current: () => site.agent },
        isProtecting: () => false,
        ...changes,
      },
      { processServers },
    );
  const of = (findings: readonly Finding[], code: string) => findings.filter((one) => one.code === code).map(({ result }) => result);

  it('finds nothing wrong where nothing is', async () => {
    const findings = await look({}, [`127.0.0.1:${site.server.port}`]);
    expect(findings.filter(({ result }) => result !== PASSED)).toEqual([]);
    expect(findings.map(({ code }) => code)).toEqual(['agent-root', 'disk-kind', 'log-space', 'application-scripts', 'server-reachable']);
  });

  it('asks for tracing and memory only where a device is to be traced', async () => {
    const findings = await look({ findDisks: async () => [disk('device', '/dev/null')] });
    expect(of(findings, 'kernel-tracing')).toHaveLength(1);
    expect(findings.find(({ code }) => code === 'disk-kind')).toMatchObject({
      result: FAILED,
      thing: '/dev/null',
      text: expect.stringContaining('block device'),
    });
  });

  it('tells of a log without room: less good, or impossible', async () => {
    expect(of(await look({ log: { directory, quota: 2 ** 60 } }), 'log-space')).toEqual([WARNING]);
    expect(of(await look({ log: { directory: '/proc/self/fdinfo', quota: 64 * MIB } }), 'log-space')).toEqual([FAILED]);
  });

  it('tells of a memory directory that is none, and of one without room', async () => {
    const traced = { findDisks: async () => [disk('device', '/dev/null')] };
    expect(of(await look({ ...traced, memory: { directory: '/proc', bytes: 1 } }), 'tracking-memory')).toEqual([FAILED]);
    expect(of(await look({ ...traced, memory: { directory: undefined, bytes: 2 ** 60 } }), 'tracking-memory')).toEqual([FAILED]);
    expect(
      of(await look({ ...traced, memory: { directory: undefined, bytes: 2 ** 60 }, isProtecting: () => true }), 'tracking-memory'),
    ).toEqual([PASSED]);
  });

  it('tells of scripts that anybody can change', async () => {
    const scripts = path.join(directory, 'open');
    await mkdir(scripts);
    await writeFile(path.join(scripts, '10-db'), '#!/bin/sh\n', { mode: 0o755 });
    await chmod(path.join(scripts, '10-db'), 0o777);
    const [finding] = (await look({ scripts })).filter(({ code }) => code === 'application-scripts');
    expect(finding).toMatchObject({ result: WARNING, remedy: expect.stringContaining('chmod go-w') });
  });

  it('tells which process server it does not reach: nobody there, one that says nothing, one of another installation', async () => {
    const dumb = createServer((socket) => socket.on('error', () => undefined).resume());
    await new Promise<void>((resolve) => dumb.listen(0, '127.0.0.1', resolve));
    const other = await openReplicationSite();
    const { port } = dumb.address() as { port: number };
    const findings = (await look({}, ['127.0.0.1:1', `127.0.0.1:${port}`, `127.0.0.1:${other.server.port}`, 'no address'])).filter(
      ({ code }) => code === 'server-reachable',
    );
    await Promise.all([new Promise((resolve) => dumb.close(resolve)), other.close()]);
    expect(findings.map(({ result }) => result)).toEqual([FAILED, FAILED, FAILED, FAILED]);
    expect(findings.every(({ text, remedy }) => text !== '' && remedy !== '')).toBe(true);
    expect(findings[1]!.text).toContain('no answer');
  });
});
