import path from 'node:path';

/** The keeper's program as tests start it: from source. */
export const KEEPER_COMMAND: readonly string[] = [
  process.execPath,
  '--conditions=@holdfast/source',
  '--eval',
  `import(${JSON.stringify(path.join(__dirname, '../keeper-process.ts'))}).then(({ keepHold }) => keepHold())`,
];
