import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { VERSION } from '@holdfast/daemon';
import { type CompiledProgram, compile } from './compile.ts';
import { createCompressor } from './compress.ts';
import { licencesOf } from './licences.ts';
import { closureOf, PLATFORM, runningFiles } from './native-packages.ts';
import type { BundledProgram, Role } from './roles.ts';
import { type ArchiveFile, tarOf } from './tar.ts';

/** A finished bundle. */
export interface Bundle {
  /** Its file name: "holdfast-agent-0.1.0-linux-x64.tar.gz". */
  readonly file: string;
  readonly content: Uint8Array;
  /** SHA-256, hexadecimal. */
  readonly digest: string;
}

/** The package of npm that has the node all of it runs on. */
const NODE = `node_modules/node-${PLATFORM}`;

/** Hexadecimal. */
export const sha256 = (content: Uint8Array): string => createHash('sha256').update(content).digest('hex');

export interface BundleMaker {
  make(role: Role): Promise<Bundle>;
}

/** Makes bundles of the tree at `root`; each program is compiled once. The same tree gives the same bytes. */
export const createBundleMaker = (root: string): BundleMaker => {
  const compiled = new Map<string, Promise<CompiledProgram>>();
  const compressor = createCompressor();
  const compileOnce = (program: BundledProgram): Promise<CompiledProgram> => {
    const known = compiled.get(program.name) ?? compile(root, program);
    compiled.set(program.name, known);
    return known;
  };
  return {
    make: async (role) => {
      const files = await filesOf(root, role, {
        programs: await Promise.all(role.programs.map(compileOnce)),
        threads: await Promise.all(role.threads.map(compileOnce)),
      });
      const sums = files
        .map(({ path: name, content }) => `${sha256(content)}  ${name}\n`)
        .sort((a, b) => (a.slice(66) < b.slice(66) ? -1 : 1))
        .join('');
      const all = [...files, { path: 'SHA256SUMS', content: Buffer.from(sums) }];
      const content = await compressor.compress(tarOf(all.map((file) => ({ ...file, path: `${role.name}/${file.path}` }))));
      return { file: `${role.name}-${VERSION}-${PLATFORM}.tar.gz`, content, digest: sha256(content) };
    },
  };
};

/** Applications that the agent has scripts for. */
const APPLICATIONS = ['mariadb', 'postgresql'];

interface Compiled {
  readonly programs: readonly CompiledProgram[];
  readonly threads: readonly CompiledProgram[];
}

const filesOf = async (root: string, role: Role, { programs, threads }: Compiled): Promise<ArchiveFile[]> => {
  const compiled = [...programs, ...threads];
  const read = async (from: string, to: string, executable = false): Promise<ArchiveFile> => ({
    path: to,
    content: await readFile(path.join(root, from)),
    executable,
  });
  const natives = await closureOf(root, [...new Set(compiled.flatMap((program) => program.natives))]);
  const packages = [...new Set([...compiled.flatMap((program) => program.packages), ...natives, NODE])];
  const carried = (await Promise.all(natives.map((directory) => runningFiles(root, directory)))).flat();
  const scripts = role.services.includes('agent') ? APPLICATIONS : [];
  return [
    { path: 'VERSION', content: Buffer.from(`${VERSION}\n`) },
    { path: 'bundle.env', content: Buffer.from(environmentOf(role)) },
    { path: 'LICENSES.txt', content: Buffer.from(await licencesOf(root, packages)) },
    await read('LICENSE', 'LICENSE'),
    await read('deploy/install.sh', 'install.sh', true),
    await read('deploy/uninstall.sh', 'uninstall.sh', true),
    await read(`${NODE}/bin/node`, 'lib/node', true),
    ...(await Promise.all(programs.map(({ name }) => read('deploy/launch.sh', `bin/${name}`, true)))),
    ...compiled.map(({ name, code }) => ({ path: `lib/${name}.mjs`, content: code })),
    ...carried.map((file) => ({ ...file, path: `lib/${file.path}` })),
    ...(role.services.length === 0 ? [] : [await read(`deploy/systemd/${role.name}.service`, `${role.name}.service`)]),
    ...(await Promise.all(role.services.map((service) => read(`deploy/settings/${service}.yaml`, `settings/${service}.yaml`)))),
    ...(await Promise.all(scripts.map((script) => read(`deploy/app-consistency/${script}`, `app-consistency/${script}`, true)))),
  ];
};

/** What install.sh and uninstall.sh have to know: assignments of the shell. */
const environmentOf = (role: Role): string =>
  [
    `NAME=${role.name}`,
    `VERSION=${VERSION}`,
    `PROGRAMS='${role.programs.map(({ name }) => name).join(' ')}'`,
    `UNIT=${role.services.length === 0 ? '' : `${role.name}.service`}`,
    `SERVICES='${role.services.join(' ')}'`,
    '',
  ].join('\n');
