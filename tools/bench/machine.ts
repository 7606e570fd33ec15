import { arch, cpus, loadavg, release, totalmem, type } from 'node:os';

/** The machine a bench ran on; its load says whether it was alone. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGB: number;
  readonly system: string;
  readonly node: string;
  /** Over the minute before. */
  readonly load: number;
}

export const describeMachine = (): Machine => ({
  cpu: cpus()[0]?.model.trim() ?? 'unknown',
  cores: cpus().length,
  memoryGB: Math.round(totalmem() / 1e8) / 10,
  system: `${type()} ${release()} ${arch()}`,
  node: process.version,
  load: loadavg()[0] ?? 0,
});
