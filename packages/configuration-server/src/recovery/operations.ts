import { ProtectionState } from '@holdfast/protocol';

/**
 * The life of a protection: which operation is possible in which state. This is the one place that says so: the API asks here before it does anything,
 * `holdfast machine operations` shows it, and the table of docs/recovery.md is made of it.
 */

/** What a machine is, as far as its protection goes. `next` says what ends that state or what can be done in it. */
const STATES = {
  unprotected: { is: 'is not protected', next: 'protect it first' },
  preparing: { is: 'is being prepared', next: 'wait until it is prepared' },
  copying: { is: 'is copied for the first time', next: 'wait for the end of its first copy' },
  protected: { is: 'is protected', next: 'fail it over first' },
  resynchronizing: { is: 'is resynchronized', next: 'wait for the end of the resynchronization' },
  failed: { is: 'is not replicated: something failed', next: 'mend what its state says' },
  stopping: { is: 'is about to be not protected any more', next: 'wait until that is done' },
  'failing-over': { is: 'is being failed over', next: 'wait for the job, retry it, change the point, or cancel the failover' },
  'failed-over': { is: 'is failed over', next: 'commit or cancel the failover first' },
  cancelling: { is: 'comes back from a failover that is cancelled', next: 'wait for the job, or retry it' },
  committing: { is: 'is failed over, and that is being committed', next: 'wait for the job, or retry it' },
  committed: { is: 'is failed over for good', next: 'end its protection, or reprotect it' },
  reprotecting: { is: 'is copied back home', next: 'wait for the end of the copy' },
  'protected-back': { is: 'replicates back home', next: 'fail it back first' },
  'failing-back': { is: 'is being failed back', next: 'wait for the job' },
  'failed-back': { is: 'is failed back', next: 're-enable its replication' },
} as const satisfies Readonly<Record<string, { readonly is: string; readonly next: string }>>;

export type MachineState = keyof typeof STATES;
export const MACHINE_STATES = Object.keys(STATES) as readonly MachineState[];

/** `needs`: what has to be the case; `since`: the version that has what this one has not. */
const OPERATIONS = {
  protect: { needs: 'a machine that nobody protects' },
  unprotect: { needs: 'a protection that no failover is at work on' },
  update: { needs: 'a machine that replicates' },
  move: { needs: 'a machine that replicates' },
  'make-point': { needs: 'a machine that replicates' },
  resynchronize: { needs: 'a machine whose first copy is complete' },
  remove: { needs: 'a machine that no failover is at work on' },
  'test-failover': { needs: 'recovery points' },
  'clean-up-test': { needs: 'a test failover' },
  prove: { needs: 'recovery points' },
  failover: { needs: 'recovery points, and a machine that is not failed over' },
  'change-point': { needs: 'a failover that is not committed' },
  'cancel-failover': { needs: 'a failover that is not committed' },
  commit: { needs: 'a failover that is not committed' },
  'start-machine': { needs: 'a machine that was recovered' },
  'forget-recovery': { needs: 'a machine that was committed' },
  reprotect: { needs: 'a failover that is committed', since: '0.5' },
  failback: { needs: 'a machine that replicates back home', since: '0.5' },
  'cancel-failback': { needs: 'a failback', since: '0.5' },
  're-enable': { needs: 'a failback', since: '0.5' },
} as const satisfies Readonly<Record<string, { readonly needs: string; readonly since?: string }>>;

export type Operation = keyof typeof OPERATIONS;
export const MACHINE_OPERATIONS = Object.keys(OPERATIONS) as readonly Operation[];
export const isOperation = (word: string): word is Operation => Object.hasOwn(OPERATIONS, word);

/*
 * + possible, . refused, T as + but not while a test failover runs, C only while one runs, R only while some recovered machine is looked after, K only while
 * one is that was committed.
 *                     unprotected preparing copying protected resynchronizing failed stopping
 *                     |           |         |       |         |               |      |
 *                     |  failing-over failed-over cancelling committing committed
 *                     |  |            |           |          |          |
 *                     |  |            reprotecting protected-back failing-back failed-back
 */
const TABLE: Readonly<Record<Operation, string>> = {
  protect: /*         */ '+......  .....  ....',
  unprotect: /*       */ '.TTTTT.  ....T  TT..',
  update: /*          */ '.+++++.  .....  ++..',
  move: /*            */ '.+++++.  .....  ....',
  'make-point': /*    */ '.+++++.  .....  .+..',
  resynchronize: /*   */ '...+++.  .....  .+..',
  remove: /*          */ 'TTTTTTT  ....T  T...',
  'test-failover': /* */ '...TTT.  .T..T  TT..',
  'clean-up-test': /* */ 'CCCCCCC  CCCCC  CCCC',
  prove: /*           */ '...+++.  .+..+  ++..',
  failover: /*        */ '...+++.  .....  ....',
  'change-point': /*  */ '.......  ++...  ....',
  'cancel-failover': /**/ '.......  +++..  ....',
  commit: /*          */ '.......  .+.+.  ....',
  'start-machine': /* */ 'RRRRRRR  RRRRR  RRRR',
  'forget-recovery': /**/ 'KKKKKKK  KKKKK  KKKK',
  reprotect: /*       */ '.......  ....+  ....',
  failback: /*        */ '.......  .....  .+..',
  'cancel-failback': /**/ '.......  .....  ..++',
  're-enable': /*     */ '.......  .....  ...+',
};

/** Whether an operation is possible now, and else why not and what to do instead. */
export type Verdict =
  | { readonly allowed: true }
  | { readonly allowed: false; readonly since?: string; readonly why: string; readonly remedy: string };

/** What there is of a machine at the recovery site: a test failover of it, one that was committed and is looked after, any at all. */
export interface There {
  readonly test?: boolean;
  readonly committed?: boolean;
  readonly recovered?: boolean;
}

/** The verdict on an operation in a state. */
export const judge = (
  state: MachineState,
  operation: Operation,
  { test = false, committed = false, recovered = false }: There = {},
): Verdict => {
  const sign = TABLE[operation].replaceAll(' ', '')[MACHINE_STATES.indexOf(state)];
  const { is, next } = STATES[state];
  const { needs, since }: { readonly needs: string; readonly since?: string } = OPERATIONS[operation];
  // Said in every state: nobody shall fail a machine over to find out that nothing brings it back.
  if (since !== undefined)
    return { allowed: false, since, why: `this version does not have it; version ${since} will`, remedy: `wait for version ${since}` };
  if (sign === 'T' && test) return { allowed: false, why: 'a test failover of it runs', remedy: 'clean that up first' };
  if (sign === 'C' && !test)
    return { allowed: false, why: 'no test failover of it runs', remedy: 'see `holdfast recovery list` for what does' };
  if ((sign === 'R' && !recovered) || (sign === 'K' && !committed))
    return { allowed: false, why: `this needs ${needs}, and none is looked after`, remedy: 'see `holdfast recovery list` for what runs' };
  if (sign !== '.') return { allowed: true };
  const replicates = operation === 'protect' && TABLE.update.replaceAll(' ', '')[MACHINE_STATES.indexOf(state)] === '+';
  const remedy = replicates ? 'see `holdfast machine show`, and change it with `holdfast machine set`' : next;
  return { allowed: false, why: `it ${is}, and this needs ${needs}`, remedy };
};

const NAMES: Readonly<Record<number, MachineState>> = {
  [ProtectionState.UNSPECIFIED]: 'unprotected',
  [ProtectionState.PREPARING]: 'preparing',
  [ProtectionState.COPYING]: 'copying',
  [ProtectionState.PROTECTED]: 'protected',
  [ProtectionState.RESYNCHRONIZING]: 'resynchronizing',
  [ProtectionState.FAILED_OVER]: 'failed-over',
  [ProtectionState.COMMITTED]: 'committed',
  [ProtectionState.REPROTECTING]: 'reprotecting',
  [ProtectionState.STOPPING]: 'stopping',
  [ProtectionState.FAILED]: 'failed',
  [ProtectionState.FAILING_OVER]: 'failing-over',
  [ProtectionState.CANCELLING]: 'cancelling',
  [ProtectionState.COMMITTING]: 'committing',
  [ProtectionState.PROTECTED_BACK]: 'protected-back',
  [ProtectionState.FAILING_BACK]: 'failing-back',
  [ProtectionState.FAILED_BACK]: 'failed-back',
};

/** The state of a machine by that of its protection. */
export const machineState = (state: ProtectionState | undefined): MachineState =>
  NAMES[state ?? ProtectionState.UNSPECIFIED] ?? 'unprotected';

/** The table as Markdown: operations by states. */
export const describeOperations = (): string => {
  const words = { '+': 'yes', T: 'yes ¹', C: '²', R: '³', K: '⁴', '.': '' } as const;
  const signs = (operation: Operation) => [...TABLE[operation].replaceAll(' ', '')] as readonly (keyof typeof words)[];
  const cell = (operation: Operation, sign: keyof typeof words): string => {
    const since = (OPERATIONS[operation] as { readonly since?: string }).since;
    return since !== undefined && sign !== '.' ? `${since}` : words[sign];
  };
  const row = (state: MachineState, index: number): string =>
    `| ${[state, ...MACHINE_OPERATIONS.map((one) => cell(one, signs(one)[index]!))].join(' | ')} |`;
  return [
    `| state | ${MACHINE_OPERATIONS.join(' | ')} |`,
    `|---|${MACHINE_OPERATIONS.map(() => '---').join('|')}|`,
    ...MACHINE_STATES.map(row),
  ].join('\n');
};
