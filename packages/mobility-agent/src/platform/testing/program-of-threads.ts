import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const source = (file: string): string => JSON.stringify(fileURLToPath(new URL(`../../${file}`, import.meta.url)));

/**
 * Runs a program of its own, so that what it keeps itself to ends with it, and gives the JSON it prints. It knows `threads` (lists of processors on which
 * its threads may run, each once), `allowed` (the same of a process or thread in /proc), `until`, and what is imported here; `imports`: further ones.
 */
export const programOfThreads = async (text: string, imports: Readonly<Record<string, string>> = {}): Promise<Record<string, unknown>> => {
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--conditions=@holdfast/source',
    '--disable-warning=ExperimentalWarning',
    '--input-type=module',
    '--eval',
    `import { readdirSync, readFileSync } from 'node:fs';
     import { once } from 'node:events';
     import { Worker } from 'node:worker_threads';
     import { setTimeout as sleep } from 'node:timers/promises';
     import { givenProcessors, keepTo, visitAllProcessors } from ${source('platform/processors.ts')};
     import { leaveProcessors } from ${source('platform/processor-share.ts')};
     ${Object.entries(imports)
       .map(([name, file]) => `import { ${name} } from ${source(file)};`)
       .join('\n')}
     const allowed = (file) => /Cpus_allowed_list:\\s+(\\S+)/.exec(readFileSync(file + '/status', 'latin1'))[1];
     const threads = () => [...new Set(readdirSync('/proc/self/task').map((id) => allowed('/proc/self/task/' + id)))];
     const until = async (wanted) => { while (!wanted()) await sleep(10); };
     ${text}
     process.exit(0);`,
  ]);
  return JSON.parse(stdout) as Record<string, unknown>;
};
