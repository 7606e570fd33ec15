import { type CheckMachineResponse, CheckResult } from '@holdfast/protocol';
import type { Answer } from '../output/answer.ts';
import { instant } from '../site/times.ts';
import { checkResultWord, stateCell } from '../site/words.ts';

/** What was found of a machine, the gravest first. */
export const checksAnswer = (machine: { readonly id: string; readonly name: string }, response: CheckMachineResponse): Answer => {
  const { findings, passed, unixMillis } = response;
  const described = findings.map(({ code, thing, result, text, remedy }) => ({
    code,
    thing,
    result: checkResultWord(result),
    text,
    remedy,
  }));
  const remedies = new Map(findings.filter(({ result }) => result !== CheckResult.PASSED).map(({ code, remedy }) => [remedy, code]));
  const warnings = findings.filter(({ result }) => result === CheckResult.WARNING).length;
  const verdict = passed
    ? `Nothing is missing${warnings === 0 ? '' : `, but ${warnings === 1 ? 'one thing is' : `${warnings} things are`} less good than it could be`}.`
    : 'Something is missing: a protection cannot begin, or is in danger.';
  return {
    data: { machine: { id: machine.id, name: machine.name }, passed, looked: instant(unixMillis), findings: described },
    people: [
      {
        columns: [{ heading: 'RESULT' }, { heading: 'CHECK' }, { heading: 'OF', shrink: true }, { heading: 'FOUND', shrink: true }],
        rows: described.map(({ code, thing, result, text }) => [stateCell(result), code, thing, text]),
      },
      { line: '' },
      ...[...remedies].filter(([remedy]) => remedy !== '').map(([remedy, code]) => ({ line: `${code}: ${remedy}` })),
      { line: verdict },
    ],
  };
};
