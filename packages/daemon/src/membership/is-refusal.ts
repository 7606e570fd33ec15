import type { HoldfastError } from '@holdfast/errors';

/**
 * True for an error of the configuration server that trying again soon does not help: this member was revoked, cloned or forgotten, the two
 * do not fit together. Away, late or defective servers are no refusal.
 */
export const isRefusal = ({ retryable, code }: HoldfastError): boolean => !retryable && code !== 'INTERNAL' && code !== 'INTERRUPTED';
