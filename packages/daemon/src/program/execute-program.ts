import { flushCompileCache } from 'node:module';
import { createHealth } from '../health/create-health.ts';
import { listenHttp } from '../health/http-listener.ts';
import { createLog, logDestination } from '../log/create-log.ts';
import { createMetrics } from '../metrics/create-metrics.ts';
import { createServiceManager } from '../notify/service-manager.ts';
import { helpText } from '../settings/describe-settings.ts';
import { type LoadedSettings, loadSettings } from '../settings/load-settings.ts';
import type { Schema, Values } from '../settings/setting.ts';
import { showSettings } from '../settings/show-settings.ts';
import { CONFIG_VARIABLE } from '../settings/sources.ts';
import { openStateDirectory } from '../state/state-directory.ts';
import { createLifecycle } from '../stop/lifecycle.ts';
import { type CommandLine, parseCommandLine } from './command-line.ts';
import { type CommonSchema, commonSettings } from './common-settings.ts';
import type { Host } from './host.ts';
import type { Program } from './program.ts';
import { findCommand, runCommand } from './run-command.ts';

type Settled<S extends Schema> = LoadedSettings<S & CommonSchema>;

const load = async <S extends Schema>(program: Program<S>, host: Host, { flags, config }: CommandLine): Promise<Settled<S>> => {
  const named = config ?? host.environment[CONFIG_VARIABLE];
  return loadSettings(completeSchema(program), {
    file: { path: named ?? defaultFile(program.name), required: named !== undefined },
    environment: host.environment,
    flags,
    base: host.workingDirectory,
  });
};

const defaultFile = (name: string): string => `/etc/holdfast/${name.replace(/^holdfast-/, '')}.yaml`;

/** The program's own settings, and behind them the common ones. */
export const completeSchema = <S extends Schema>({ name, settings, httpPort }: Program<S>): S & CommonSchema => ({
  ...settings,
  ...commonSettings(name.replace(/^holdfast-/, ''), httpPort),
});

const start = async <S extends Schema>(program: Program<S>, host: Host, { values, warnings }: Settled<S>): Promise<number> => {
  const { name, version } = program;
  // The compiler cannot see through the generic schema that the common settings are among the values.
  const common = values as Values<CommonSchema>;
  const log = createLog({ program: name, level: common.log.level, destination: logDestination(common.log.output) });
  const lifecycle = createLifecycle(log, common.stop.deadline);
  host.attach(lifecycle, (message, error) => log.error(message, { error }));

  const metrics = createMetrics(name, version);
  const health = createHealth();
  const manager = createServiceManager(host, log);
  let started = false;
  lifecycle.stopping.addEventListener('abort', manager.stopping);

  const startUp = async (): Promise<void> => {
    if (lifecycle.stopping.aborted) return;
    log.info('The program starts', { version, node: process.version });
    for (const warning of warnings) log.warn(warning);
    const state = await openStateDirectory(common.state.directory, name);
    lifecycle.onStop('state directory', state.release);
    lifecycle.onStop('service manager', manager.close);
    if (common.http.enabled) {
      const listener = await listenHttp(common.http.listen, health, metrics, () => started);
      lifecycle.onStop('health and metrics', listener.close);
      log.info('Health and metrics are served', { host: common.http.listen.host, port: listener.port });
    }
    manager.watch(health);
    // One whose supervisor went while it was being loaded begins nothing.
    if (lifecycle.stopping.aborted) return;
    await program.main({
      name,
      version,
      settings: values,
      log,
      metrics,
      health,
      stopping: lifecycle.stopping,
      stateDirectory: state.path,
      onStop: lifecycle.onStop,
      run: lifecycle.run,
      status: manager.status,
      stop: lifecycle.stop,
    });
    if (lifecycle.stopping.aborted) return;
    started = true;
    manager.ready();
    log.info('The program does its work');
    // Where NODE_COMPILE_CACHE names a place: also of a program that is killed the next start has less to compile.
    setImmediate(flushCompileCache);
  };
  lifecycle.run('start', startUp);
  return lifecycle.finished();
};

/** Does what the command line asks for and gives the exit status. */
export const executeProgram = async <S extends Schema>(program: Program<S>, host: Host): Promise<number> => {
  const found = findCommand(program.commands ?? {}, host.argv);
  if (found !== undefined)
    return runCommand(found, {
      argv: host.argv.slice(found.words),
      host,
      program,
      load: (commandLine) => load(program, host, commandLine),
    });
  const commandLine = parseCommandLine(host.argv);
  switch (commandLine.wish) {
    case 'help':
      host.print(helpText(program, completeSchema(program), defaultFile(program.name), program.commands));
      return 0;
    case 'version':
      host.print(`${program.name} ${program.version} (node ${process.version})\n`);
      return 0;
    case 'print-settings':
      host.print(showSettings((await load(program, host, commandLine)).effective));
      return 0;
    case 'run':
      return start(program, host, await load(program, host, commandLine));
  }
};
