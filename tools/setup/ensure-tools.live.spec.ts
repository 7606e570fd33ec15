import { execFile } from 'node:child_process';
import { realpath } from 'node:fs/promises';
import { promisify } from 'node:util';
import { ensureTools } from './ensure-tools.ts';
import { MACHINE_TOOLS, TOOL_GROUPS } from './machine-tools.ts';

const run = promisify(execFile);

/** Those of campaigns are installed by who runs one. */
const NEEDED = MACHINE_TOOLS.filter(({ groups }) => groups.some((group) => TOOL_GROUPS.includes(group)));

describe.unless(lacks('root', 'apt-get', 'dpkg-query'), 'the tools of a Debian machine', () => {
  beforeAll(async () => {
    await ensureTools(TOOL_GROUPS, { print: () => {} });
  });

  it.each(NEEDED)('$apt is what brings $proof', async ({ apt, proof }) => {
    const { stdout } = await run('dpkg-query', ['--listfiles', apt]);
    const listed = stdout.trim().split('\n');
    const found = proof.startsWith('/')
      ? listed.includes(proof)
      : listed.some((file) => /\/s?bin\//.test(file) && file.endsWith(`/${proof}`));
    // python3 is a link of one package to another's program.
    expect(found || (proof.startsWith('/') && (await realpath(proof)) !== proof)).toBe(true);
  });
});
