/** The first argument of the program when it is to be the keeper of a hold and nothing else. */
export const KEEP_HOLD = 'keep-hold';
