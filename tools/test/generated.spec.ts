import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const WORKSPACE = path.resolve(__dirname, '../..');
const GENERATED = 'packages/protocol/src/gen';

const buf = (...args: string[]): string =>
  execFileSync(path.join(WORKSPACE, 'node_modules/.bin/buf'), args, {
    cwd: WORKSPACE,
    encoding: 'utf8',
    env: { ...process.env, PATH: `${path.join(WORKSPACE, 'node_modules/.bin')}:${process.env['PATH']}` },
  });

const filesBelow = (directory: string): Map<string, string> =>
  new Map(
    readdirSync(directory, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => [name, readFileSync(path.join(directory, name), 'utf8')]),
  );

describe('messages', () => {
  test('the committed code is what the definitions generate', () => {
    const directory = mkdtempSync(path.join(tmpdir(), 'holdfast-generated-'));
    try {
      buf('generate', 'proto', '--template', 'proto/buf.gen.yaml', '--output', directory);
      const generated = filesBelow(path.join(directory, GENERATED));
      expect(generated.size).toBeGreaterThan(2);
      expect(filesBelow(path.join(WORKSPACE, GENERATED))).toEqual(generated);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  test('the definitions keep the rules of their style', () => {
    expect(buf('lint', 'proto')).toBe('');
  });
});
