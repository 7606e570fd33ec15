import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { checkBoundaries } from './check.ts';

/** A tree that keeps every rule, by path; each test below breaks it in one place. */
const CLEAN: Readonly<Record<string, string>> = {
  'package.json': JSON.stringify({ devDependencies: { 'fast-check': '4' } }),
  'packages/errors/package.json': JSON.stringify({ dependencies: {} }),
  'packages/errors/src/index.ts': "export * from './codes.ts';",
  'packages/errors/src/codes.ts': 'export const codes = 1;',
  'packages/block/package.json': JSON.stringify({ dependencies: { '@holdfast/errors': '*', 'lz4-napi': '2' } }),
  'packages/block/src/index.ts': "import '@holdfast/errors'; import 'lz4-napi'; import 'node:net'; import './gen/deep/x.ts';",
  'packages/block/src/gen/deep/x.ts': "import '../../y.ts';",
  'packages/block/src/y.ts': 'export {};',
  'packages/block/src/y.spec.ts': "import fc from 'fast-check'; import './y.ts';",
  'packages/object-store/package.json': JSON.stringify({ dependencies: { '@holdfast/errors': '*' } }),
  'packages/object-store/src/conformance.ts': "import 'fast-check'; import './index.ts';",
  'packages/object-store/src/index.ts': "import { codes } from '@holdfast/errors'; export { codes };",
  'packages/vault/package.json': JSON.stringify({
    dependencies: { '@holdfast/errors': '*', '@holdfast/block': '*', '@holdfast/object-store': '*', '@azure/storage-blob': '1' },
  }),
  'packages/vault/src/index.ts': "import '@holdfast/object-store'; import '@holdfast/block'; import 'node:crypto';",
  'packages/vault/src/store.spec.ts': "import '@holdfast/object-store/conformance';",
  'packages/daemon/package.json': JSON.stringify({ dependencies: { '@holdfast/vault': '*' } }),
  'packages/daemon/src/index.ts': "import '@holdfast/vault';",
  'packages/mobility-agent/package.json': JSON.stringify({ dependencies: { '@holdfast/block': '*', '@holdfast/vault': '*' } }),
  'packages/mobility-agent/src/index.ts': "import '@holdfast/block'; import type { Server } from 'node:http';",
  'packages/cli/package.json': JSON.stringify({ dependencies: { '@holdfast/vault': '*', '@holdfast/mobility-agent': '*' } }),
  'packages/cli/src/index.ts': "import '@holdfast/vault';",
  'tools/package.json': JSON.stringify({ dependencies: { '@holdfast/mobility-agent': '*', '@holdfast/vault': '*' } }),
  'tools/lab/start.ts': "import '@holdfast/mobility-agent'; import '@holdfast/vault'; import '../setup/x.ts';",
  'tools/setup/x.ts': "const name = './y.ts'; await import(name);",
};

/** [the rule, the file that breaks it, what it says, the reason reported] */
const BROKEN: readonly (readonly [rule: string, file: string, source: string, why: RegExp])[] = [
  ['upward', 'packages/block/src/index.ts', "import '@holdfast/vault';", /point downward only, and vault is not below block/],
  ['upward, types only', 'packages/errors/src/index.ts', "import type { X } from '@holdfast/block';", /point downward only/],
  ['upward, by a dynamic import', 'packages/vault/src/index.ts', "await import('@holdfast/daemon');", /point downward only/],
  ['sideways', 'packages/block/src/index.ts', "export * from '@holdfast/protocol';", /point downward only/],
  ['a program imports a program', 'packages/cli/src/index.ts', "import '@holdfast/mobility-agent';", /point downward only/],
  ['the agent knows no vault', 'packages/mobility-agent/src/index.ts', "import '@holdfast/vault';", /agent knows no vault/],
  ['the agent knows no object store', 'packages/mobility-agent/src/x.spec.ts', "import '@holdfast/object-store';", /agent knows no vault/],
  ['the vault knows no network', 'packages/vault/src/index.ts', "import { connect } from 'node:net';", /no network/],
  ['the vault knows no HTTP', 'packages/vault/src/index.ts', "import https from 'node:https';", /no network/],
  ['the vault knows no cloud', 'packages/vault/src/index.ts', "import '@azure/storage-blob';", /no cloud/],
  ['the vault knows no gRPC', 'packages/vault/src/index.ts', "import type { Client } from '@grpc/grpc-js';", /no network/],
  ['a private file of another package', 'packages/vault/src/index.ts', "import '@holdfast/block/src/y.ts';", /public face/],
  ['a relative path out of the package', 'packages/vault/src/index.ts', "import '../../block/src/y.ts';", /must not leave the package/],
  ['a relative path out of tools', 'tools/lab/start.ts', "import '../../packages/block/src/y.ts';", /must not leave the package/],
  ['a package imports itself by name', 'packages/block/src/y.ts', "import '@holdfast/block';", /relative path/],
  ['tools from a package', 'packages/cli/src/index.ts', "import '@holdfast/tools';", /know nothing of tools/],
  ['not declared', 'packages/block/src/index.ts', "import 'yaml';", /yaml is not declared in the package.json of block/],
  ['not declared, ours', 'packages/object-store/src/index.ts', "import '@holdfast/protocol';", /not declared/],
  ['not declared, in tools', 'tools/lab/start.ts', "import '@holdfast/nbd';", /not declared/],
  ['development dependency in what is shipped', 'packages/block/src/index.ts', "import 'fast-check';", /not declared/],
  [
    'a conformance suite in what is shipped',
    'packages/vault/src/index.ts',
    "import '@holdfast/object-store/conformance';",
    /must not import tests/,
  ],
  ['a spec in what is shipped', 'packages/block/src/index.ts', "import './y.spec.ts';", /must not import tests/],
  ['computed', 'packages/block/src/index.ts', "const name = 'x'; require(name);", /computed/],
  [
    'a circle of two',
    'packages/block/src/y.ts',
    "import type { X } from './index.ts';",
    /circle: .*x.ts -> .*y.ts -> .*index.ts -> .*x.ts/,
  ],
  ['a file imports itself', 'packages/block/src/y.ts', "import './y.ts';", /circle/],
];

describe('the boundaries of a tree', () => {
  let root: string;

  const write = async (file: string, content: string): Promise<void> => {
    await mkdir(path.join(root, path.dirname(file)), { recursive: true });
    await writeFile(path.join(root, file), content);
  };

  beforeEach(async () => {
    root = await mkdtemp(path.join(tmpdir(), 'holdfast-boundaries-'));
    for (const [file, content] of Object.entries(CLEAN)) await write(file, content);
  });

  afterEach(() => rm(root, { recursive: true }));

  it('are kept by the clean tree', async () => {
    expect(await checkBoundaries(root)).toEqual([]);
  });

  it.each(BROKEN)('report: %s', async (_rule, file, source, why) => {
    await write(file, `\n${source}`);
    const violations = await checkBoundaries(root);
    expect(violations).toHaveLength(1);
    expect(violations[0]?.why).toMatch(why);
    // A circle is reported where the walk closed it, everything else at the import.
    if (!why.source.startsWith('circle')) expect(violations[0]).toMatchObject({ file, line: 2 });
  });

  it('report a package without a place in the layers, from both sides', async () => {
    await write('packages/attic/package.json', JSON.stringify({}));
    await write('packages/attic/src/index.ts', "import '@holdfast/errors';");
    await write('packages/cli/src/index.ts', "import '@holdfast/attic';");
    const violations = await checkBoundaries(root);
    expect(violations.map(({ file }) => file)).toEqual(['packages/attic/src/index.ts', 'packages/cli/src/index.ts']);
    for (const { why } of violations) expect(why).toMatch(/attic has no place in the layers/);
  });
});
