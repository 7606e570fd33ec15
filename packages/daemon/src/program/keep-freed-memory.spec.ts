import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';

/** Has eight buffers of 1 MiB again and again, which are freed before the next; prints how often the kernel gave a page for them. */
const AGAIN_AND_AGAIN = `
  const once = () => {
    for (const { buffer } of Array.from({ length: 8 }, () => Buffer.allocUnsafeSlow(1 << 20).fill(1))) buffer.transfer(0);
  };
  for (let i = 0; i < 8; i += 1) once();
  const before = process.resourceUsage().minorPageFault;
  for (let i = 0; i < 32; i += 1) once();
  console.log(process.resourceUsage().minorPageFault - before);
`;

const IMPORT = `import { keepFreedMemory } from ${JSON.stringify(path.join(__dirname, 'keep-freed-memory.ts'))};`;

const numberOf = async (script: string): Promise<number> => {
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--disable-warning=ExperimentalWarning',
    '--input-type=module',
    '--eval',
    script,
  ]);
  return Number(stdout);
};

describe('freed memory', () => {
  it('is used again instead of being had from the kernel anew', async () => {
    expect(await numberOf(`${IMPORT} keepFreedMemory(); ${AGAIN_AND_AGAIN}`)).toBeLessThan(256 * 64);
    // The control: pages of 4 KiB, all of them each time.
    expect(await numberOf(AGAIN_AND_AGAIN)).toBeGreaterThan(256 * 200);
  }, 60_000);
});
