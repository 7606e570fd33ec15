export { ERROR_CODES, type ErrorCode } from './codes.ts';
export { fromSystem } from './from-system.ts';
export { type ErrorDetails, HoldfastError, isHoldfastError } from './holdfast-error.ts';
