import { createHealth } from '../health/create-health.ts';
import { createLog } from '../log/create-log.ts';
import { createMetrics } from '../metrics/create-metrics.ts';
import { type CommonSchema, commonSettings } from '../program/common-settings.ts';
import type { ProgramContext } from '../program/program.ts';
import { loadSettings } from '../settings/load-settings.ts';
import type { Schema, Values } from '../settings/setting.ts';
import { createLifecycle } from '../stop/lifecycle.ts';

export interface TestContextOptions<S extends Schema> {
  readonly settings: S;
  readonly stateDirectory: string;
  /** Settings that differ from their defaults, by path: {'journal.quota': '1MiB'}. Secrets too. */
  readonly given?: Readonly<Record<string, string>>;
}

/** What a `main` gets, within the process of a test. */
export interface TestContext<S extends Schema> {
  readonly context: ProgramContext<S>;
  /** The log so far. */
  readonly lines: readonly Readonly<Record<string, unknown>>[];
  /** Stops the program in order, and gives the exit status it would have had. */
  stop(): Promise<number>;
}

/** Everything a `main` needs but for signals, the state's lock and the HTTP listener, so that a spec can run it without a process. */
export const openTestContext = async <S extends Schema>({
  settings,
  stateDirectory,
  given = {},
}: TestContextOptions<S>): Promise<TestContext<S>> => {
  const schema = { ...settings, ...commonSettings('test', 0) };
  const environment = Object.fromEntries(
    Object.entries(given).map(([path, value]) => [`HOLDFAST_${path.replaceAll(/[.-]/g, '_').toUpperCase()}`, value]),
  );
  const { values } = await loadSettings(schema, { environment, flags: [], base: stateDirectory });
  const lines: Record<string, unknown>[] = [];
  const log = createLog({
    program: 'test',
    level: 'debug',
    destination: { write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>) },
  });
  const lifecycle = createLifecycle(log, (values as Values<CommonSchema>).stop.deadline);
  const context: ProgramContext<S> = {
    name: 'test',
    version: '0.0.0-test',
    settings: values,
    log,
    metrics: createMetrics('test', '0.0.0-test'),
    health: createHealth(),
    stopping: lifecycle.stopping,
    stateDirectory,
    onStop: lifecycle.onStop,
    run: lifecycle.run,
    status: () => undefined,
    stop: lifecycle.stop,
  };
  return {
    context,
    lines,
    stop() {
      lifecycle.stop('the test ends');
      return lifecycle.finished();
    },
  };
};
