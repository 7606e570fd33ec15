import { HoldfastError, isHoldfastError } from '@holdfast/errors';
import { CheckResult } from '../gen/holdfast/v1/checks_pb.ts';
import { CHECKS, type CheckCode } from './checks.ts';

/** What was found of one thing, by a check of the table. */
export interface Finding {
  readonly code: CheckCode;
  /** What was looked at: a disk, a vault, an address. */
  readonly thing: string;
  readonly result: CheckResult;
  readonly text: string;
  readonly remedy: string;
}

const OTHERWISE = { failure: CheckResult.FAILED, warning: CheckResult.WARNING } as const;

export const passed = (code: CheckCode, thing: string, text: string): Finding => ({
  code,
  thing,
  result: CheckResult.PASSED,
  text,
  remedy: '',
});

/** It is not so: a failure or a warning, as the table says. */
export const missed = (code: CheckCode, thing: string, text: string, remedy: string = CHECKS[code].remedy): Finding => ({
  code,
  thing,
  result: OTHERWISE[CHECKS[code].otherwise],
  text,
  remedy,
});

/** It could not be found out, and why. */
export const unknown = (code: CheckCode, thing: string, text: string): Finding => ({
  code,
  thing,
  result: CheckResult.UNKNOWN,
  text,
  remedy: CHECKS[code].remedy,
});

/** Passed with what `body` says; missed with the reason of what it throws. */
export const tryCheck = async (code: CheckCode, thing: string, body: () => Promise<string> | string): Promise<Finding> => {
  try {
    return passed(code, thing, await body());
  } catch (reason) {
    if (isHoldfastError(reason)) return missed(code, thing, `${reason.thing}: ${reason.why}`, reason.remedy);
    return unknown(code, thing, `it could not be looked at: ${(reason as Error).message}`);
  }
};

/** The error of a finding that a check itself makes: for `tryCheck`. */
export const notSo = (code: CheckCode, thing: string, why: string, remedy: string = CHECKS[code].remedy): HoldfastError =>
  new HoldfastError('PREREQUISITES_MISSING', { thing, why, remedy });
