/** The watchdog's program as tests start it: from source. */
export const WATCHDOG_COMMAND: readonly string[] = [
  process.execPath,
  '--conditions=@holdfast/source',
  '--eval',
  `import(${JSON.stringify(new URL('../watchdog-process.ts', import.meta.url).href)}).then(({ serveHold }) => serveHold())`,
];
