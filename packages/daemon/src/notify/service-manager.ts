import type { Health } from '../health/health.ts';
import type { Log } from '../log/log.ts';
import { sendDatagram } from './datagram.ts';

/** What started this program and wants to know how it is: systemd by its socket, a supervisor by its channel, or nobody. */
export interface ServiceManager {
  ready(): void;
  stopping(): void;
  /** One line on what the program does; line breaks become blanks. */
  status(text: string): void;
  /** Begins to feed the watchdog where there is one, at half of its period, as long as the program is live. */
  watch(health: Health): void;
  /** No more feeding. */
  close(): void;
}

/** The messages of a supervised child to its supervisor. */
export type ChildMessage = { readonly holdfast: 'ready' | 'stopping' };

/** The part of a process that says who is to be told. */
export interface NotifyHost {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly pid: number;
  /** Present in a child with a channel to its parent. */
  readonly send?: ((message: ChildMessage) => void) | undefined;
}

/** Milliseconds between two feedings, or undefined where no watchdog waits for this process (sd_watchdog_enabled(3)). */
export const watchdogInterval = ({ environment, pid }: NotifyHost): number | undefined => {
  const { WATCHDOG_USEC: period = '', WATCHDOG_PID: wanted } = environment;
  if (!/^[1-9]\d{0,14}$/.test(period) || (wanted !== undefined && wanted !== '' && wanted !== String(pid))) return undefined;
  return Math.max(1, Math.floor(Number(period) / 2000));
};

/** The service manager of this process. Telling it is best effort: what fails is logged once and never stops the program. */
export const createServiceManager = (host: NotifyHost, log: Log): ServiceManager => {
  const socket = host.environment['NOTIFY_SOCKET'];
  let complained = false;
  let timer: NodeJS.Timeout | undefined;

  const tell = (...lines: readonly string[]): void => {
    if (socket === undefined || socket === '') return;
    try {
      sendDatagram(socket, Buffer.from(lines.join('\n')));
    } catch (error) {
      if (!complained) log.warn('The service manager could not be told', { socket, error });
      complained = true;
    }
  };

  return {
    ready() {
      tell('READY=1');
      host.send?.({ holdfast: 'ready' });
    },
    stopping() {
      tell('STOPPING=1');
      host.send?.({ holdfast: 'stopping' });
    },
    status: (text) => tell(`STATUS=${text.replaceAll(/\s+/g, ' ').slice(0, 500)}`),
    watch(health) {
      const interval = watchdogInterval(host);
      if (interval === undefined || socket === undefined) return;
      const feed = async (): Promise<void> => {
        const { live, checks } = await health.report();
        if (live) tell('WATCHDOG=1');
        else
          log.error('The watchdog is not fed: the program is not live', { checks: checks.filter(({ problem }) => problem !== undefined) });
      };
      timer = setInterval(() => void feed(), interval);
      void feed();
    },
    close: () => clearInterval(timer),
  };
};
