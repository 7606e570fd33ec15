import type { Log } from '@holdfast/daemon';
import { fromSystem } from '@holdfast/errors';
import type { AdaptMachine } from '@holdfast/fabric';

/** A machine whose disks cannot be adapted is started as it is: it may well start, and then more is won than by a refusal. */
export const lenientAdaptation =
  (adapt: AdaptMachine, log: Log): AdaptMachine =>
  async (request) => {
    try {
      return await adapt(request);
    } catch (reason) {
      if (request.signal.aborted) throw reason;
      const error = fromSystem(reason, 'boot adaptation');
      log.warn('Disks of a machine could not be adapted; it is started as it is', { error });
      return { report: [`not adapted, started as it is: ${error.message}`], unused: true };
    }
  };
