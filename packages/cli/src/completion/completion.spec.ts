import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type LoggedIn, logIn } from '../testing/logged-in.ts';
import { createTestWorld } from '../testing/run-command.ts';
import { sampleScript } from '../testing/sample-site.ts';
import { COMPLETION_SCRIPTS } from './scripts.ts';

describe('completion', () => {
  let person: LoggedIn;
  beforeAll(async () => {
    person = await logIn(sampleScript());
  });
  afterAll(() => person.close());
  const complete = async (...words: string[]): Promise<string[]> => {
    const { stdout, stderr, status } = await person.run(['completion', 'bash', '--for', '--', ...words]);
    expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
    return stdout.split('\n').filter((word) => word !== '');
  };

  it('knows nouns, verbs and options, of the program as it is', async () => {
    expect(await complete('mach')).toEqual(['machine']);
    expect(await complete('job', '')).toEqual(expect.arrayContaining(['list', 'show', 'watch', 'answer', 'retry', 'cancel']));
    expect(await complete('job', 'list', '--st')).toEqual(['--state']);
    expect(await complete('policy', 'create', 'x', '--retention', '')).toEqual(['24h', '72h', '15d', '90d']);
    expect(await complete('policy', 'create', 'x', '--retention=7')).toEqual(['--retention=72h']);
    expect(await complete('completion', '')).toEqual(['bash', 'zsh', 'fish']);
    expect(await complete('vault', 'key', 'l')).toEqual(['list']);
  });

  it('knows the names of the site', async () => {
    expect(await complete('machine', 'show', '')).toEqual(expect.arrayContaining(['db1', 'web']));
    expect(await complete('machine', 'show', 'd')).toEqual(['db1']);
    expect(await complete('protect', 'web', '--policy', 'g')).toEqual(['gold']);
    expect(await complete('vault', 'show', 'o')).toEqual(['office']);
    expect(await complete('protect', 'web', '--vault', 'o')).toEqual(['office']);
    // One that is meant by its place.
    expect(await complete('vault', 'points', '--vault', 'o')).toEqual([]);
    expect(await complete('server', 'drain', '')).toEqual(['ps1']);
    expect(await complete('job', 'show', '10b')).toEqual(['10b000000000']);
    expect(await complete('context', 'use', '')).toEqual(['test']);
  });

  it('says nothing where it knows nothing: paths, words, and of another word than the last', async () => {
    expect(await complete('backup', '--to', '/tm')).toEqual([]);
    expect(await complete('machine', 'show', 'db1', '')).toEqual([]);
    expect(await complete('nonsense', 'show', '')).toEqual([]);
  });

  it('is silent for somebody who is logged in nowhere', async () => {
    const environment = { HOLDFAST_CLI_DIRECTORY: '/nowhere' };
    const { stdout, stderr, status } = await createTestWorld().run(['completion', 'fish', '--for', '--', 'machine', 'show', ''], {
      environment,
    });
    expect({ stdout, stderr, status }).toEqual({ stdout: '', stderr: '', status: 0 });
  });
});

describe('the scripts', () => {
  it('of bash asks with the words before the cursor, and offers what comes back', () => {
    const directory = mkdtempSync(path.join(tmpdir(), 'holdfast-completion-'));
    try {
      writeFileSync(path.join(directory, 'holdfast'), '#!/bin/sh\nprintf "%s\\n" "$@" >"$0.asked"\nprintf "db1\\ndb two\\n"\n');
      chmodSync(path.join(directory, 'holdfast'), 0o755);
      const script = `${COMPLETION_SCRIPTS.bash}
COMP_WORDS=(holdfast machine show d extra); COMP_CWORD=3; _holdfast
printf '%s|' "\${COMPREPLY[@]}"; echo; cat ${directory}/holdfast.asked | tr '\\n' ' '`;
      const out = execFileSync('bash', ['--norc', '--noprofile', '-c', script], {
        env: { PATH: `${directory}:${process.env['PATH']}` },
        encoding: 'utf8',
      });
      expect(out).toBe('db1|db two|\ncompletion bash --for -- machine show d ');
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it('of every shell are printed', async () => {
    for (const [shell, script] of Object.entries(COMPLETION_SCRIPTS)) {
      const { stdout } = await createTestWorld().run(['completion', shell]);
      expect(stdout).toBe(script);
      expect(script).toContain(`holdfast completion ${shell} --for --`);
    }
  });
});
