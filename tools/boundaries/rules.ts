import { isBuiltin } from 'node:module';

/** The rooms of the house from the ground up: a package imports packages of the layers below its own, none beside it, none above. */
const LAYERS: readonly (readonly string[])[] = [
  ['errors'],
  ['protocol', 'block'],
  ['object-store', 'nbd', 'disk-image'],
  ['vault'],
  ['fabric', 'daemon'],
  // The programs: they meet in `protocol`, never in each other.
  ['mobility-agent', 'process-server', 'configuration-server', 'master-target', 'cli', 'portal'],
];

interface Ban {
  readonly importer: string;
  readonly imported: RegExp;
  readonly why: string;
}

const BANS: readonly Ban[] = [
  {
    importer: 'vault',
    imported: /^(node:(net|tls|http|https|http2|dgram|dns)\b|@grpc\/|@azure\/|@connectrpc\/)/,
    why: 'the vault knows no network and no cloud, it sees ObjectStore',
  },
  {
    importer: 'mobility-agent',
    imported: /^@holdfast\/(vault|object-store)\b/,
    why: 'the agent knows no vault: it sends epochs to a process server',
  },
];

/** The file that imports. */
export interface Importer {
  /** Directory name of the package, or `tools`. */
  readonly room: string;
  /** The packages it may import by package.json; for specs and tools the development dependencies too. */
  readonly declared: ReadonlySet<string>;
}

const layerOf = (room: string): number => LAYERS.findIndex((layer) => layer.includes(room));

/** `@scope/name` or `name` of an import of a package. */
const packageOf = (specifier: string): string =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');

const judgeRoom = (importer: Importer, specifier: string): string | undefined => {
  const [, room, face] = /^@holdfast\/([^/]+)(?:\/(.+))?$/.exec(specifier) ?? [];
  if (room === undefined) return undefined;
  if (room === importer.room) return 'a package imports its own files by relative path';
  if (face !== undefined && face !== 'conformance') return 'only the public face of a package may be imported (its name, or /conformance)';
  if (importer.room === 'tools') return undefined;
  if (room === 'tools') return 'packages know nothing of tools';
  if (layerOf(room) === -1) return `${room} has no place in the layers of tools/boundaries/rules.ts`;
  if (layerOf(room) >= layerOf(importer.room)) return `imports point downward only, and ${room} is not below ${importer.room}`;
  return undefined;
};

/** Why a file of a package may not import `specifier` (a package or a part of node, not a relative path), or undefined when it may. */
export const judgeImport = (importer: Importer, specifier: string): string | undefined => {
  if (importer.room !== 'tools' && layerOf(importer.room) === -1)
    return `${importer.room} has no place in the layers of tools/boundaries/rules.ts`;
  const ban = BANS.find(({ importer: room, imported }) => room === importer.room && imported.test(specifier));
  if (ban !== undefined) return ban.why;
  const why = judgeRoom(importer, specifier);
  if (why !== undefined || isBuiltin(specifier)) return why;
  const name = packageOf(specifier);
  return importer.declared.has(name) ? undefined : `${name} is not declared in the package.json of ${importer.room}`;
};
