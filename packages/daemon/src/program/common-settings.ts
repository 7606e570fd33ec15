import { address, duration, filePath, flag, oneOf } from '../settings/kinds.ts';
import { section } from '../settings/setting.ts';

/** Settings that every program has. */
export const commonSettings = (name: string, httpPort: number) => ({
  state: section('What the program keeps between runs.', {
    directory: filePath({
      default: `/var/lib/holdfast/${name}`,
      help: 'Directory for everything the program keeps; each instance needs its own',
    }),
  }),
  log: section('What the program says, as JSON lines.', {
    level: oneOf(['debug', 'info', 'warn', 'error'], { default: 'info', help: 'Least important level that is written' }),
    output: oneOf(['stdout', 'stderr'], { default: 'stdout', help: 'Where lines go' }),
  }),
  http: section('Health and metrics for this machine: /healthz and /metrics, without any access control.', {
    enabled: flag({ default: true, help: 'Whether health and metrics are served' }),
    listen: address({ default: `127.0.0.1:${httpPort}`, loopback: true, help: 'Loopback address and port; port 0 takes a free one' }),
  }),
  stop: section('How the program ends.', {
    deadline: duration({
      default: '30s',
      min: '1s',
      max: '1h',
      help: 'Longest time an orderly stop may take after SIGTERM or SIGINT; a second signal ends the program at once',
    }),
  }),
});

export type CommonSchema = ReturnType<typeof commonSettings>;
