/** The keeper's program as tests start it: from source. */
export const KEEPER_COMMAND: readonly string[] = [
  process.execPath,
  '--conditions=@holdfast/source',
  '--eval',
  `import(${JSON.stringify(new URL('../keeper-process.ts', import.meta.url).href)}).then(({ keepHold }) => keepHold())`,
];
