import type { X509Certificate } from 'node:crypto';
import { HoldfastError } from '@holdfast/errors';

/** A length of time for people: "90 s", "3 h". */
export const aboutTime = (milliseconds: number): string => {
  const seconds = Math.max(1, Math.round(milliseconds / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} days`;
};

/**
 * CERTIFICATE_EXPIRED with words on clocks when a certificate does not hold at `now` (milliseconds since 1970); undefined when it does.
 * `thing` is whose it is.
 */
export const outsideItsTime = (certificate: X509Certificate, now: number, thing: string): HoldfastError | undefined => {
  const early = certificate.validFromDate.getTime() - now;
  const late = now - certificate.validToDate.getTime();
  if (early > 0)
    return new HoldfastError('CERTIFICATE_EXPIRED', {
      thing,
      why: `its certificate becomes valid in ${aboutTime(early)} only: the clocks of this machine and of the configuration server differ`,
      remedy: 'set the clocks of both machines, best by a time service; timedatectl shows how they are',
    });
  if (late > 0)
    return new HoldfastError('CERTIFICATE_EXPIRED', {
      thing,
      why: `its certificate ended ${aboutTime(late)} ago by the clock of this machine`,
      remedy:
        'it is renewed as soon as the configuration server is reached, if that is soon enough; else compare the clocks of both machines, and enrol with a new token: holdfast token create prints the command',
    });
  return undefined;
};
