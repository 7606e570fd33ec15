/** The first argument of the program when it is to be the watchdog of a hold and nothing else. */
export const HOLD_WATCHDOG = 'hold-watchdog';
