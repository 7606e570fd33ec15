import { readFile } from 'node:fs/promises';
import { create } from '@bufbuild/protobuf';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import { type ProofSchedule, type RecoveryPlan, RecoveryPlanSchema } from '@holdfast/protocol';
import { parse } from 'yaml';
import { parseHours, parseTimeOfDay, scheduleTold } from '../proof/schedule-options.ts';

const bad = (file: string, why: string): HoldfastError =>
  new HoldfastError('SETTING_INVALID', { thing: file, why, remedy: 'see `holdfast plan create --help` for how a plan is written' });

const FIELDS = {
  plan: ['note', 'groups', 'proof'],
  proof: ['every', 'at', 'max-age', 'console', 'ports', 'agent', 'fsck', 'script', 'patience'],
  group: ['name', 'delay', 'before', 'machines', 'after'],
  machine: ['name', 'point', 'network', 'test-network', 'size', 'process-server'],
  action: ['manual', 'script'],
} as const;

type Fields = Readonly<Record<string, unknown>>;

/** A mapping with nothing but known fields. */
const mapping = (file: string, what: keyof typeof FIELDS, value: unknown): Fields => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw bad(file, `a ${what} is no mapping`);
  const unknown = Object.keys(value).find((field) => !(FIELDS[what] as readonly string[]).includes(field));
  if (unknown !== undefined) throw bad(file, `a ${what} has no ${unknown}; it has ${FIELDS[what].join(', ')}`);
  return value as Fields;
};

const listOf = (file: string, what: string, value: unknown): readonly unknown[] => {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw bad(file, `${what} is no list`);
  return value;
};

const textOf = (file: string, what: string, value: unknown): string => {
  if (value === undefined || value === null) return '';
  if (typeof value === 'string' || typeof value === 'number') return String(value);
  if (value instanceof Date) return value.toISOString();
  throw bad(file, `${what} is no text`);
};

/** Seconds: `90s`, `5min`, or a plain number. */
const secondsOf = (file: string, value: unknown): number => {
  const parts = /^(\d{1,6})\s*(s|min|h)?$/.exec(textOf(file, 'delay', value) || '0');
  if (parts === null) throw bad(file, 'delay is no time like 90s or 5min');
  return Number(parts[1]) * ({ s: 1, min: 60, h: 3600 } as const)[(parts[2] ?? 's') as 's' | 'min' | 'h'];
};

const actionOf = (file: string, value: unknown) => {
  const { manual, script } = mapping(file, 'action', value);
  if ((manual === undefined) === (script === undefined)) throw bad(file, 'an action is either manual or a script');
  return manual === undefined
    ? { action: { case: 'script' as const, value: textOf(file, 'script', script) } }
    : { action: { case: 'manual' as const, value: textOf(file, 'manual', manual) } };
};

const machineOf = (file: string, value: unknown) => {
  if (typeof value === 'string') return { machine: value };
  const fields = mapping(file, 'machine', value);
  const text = (field: string): string => textOf(file, field, fields[field]);
  const target = { network: text('network'), testNetwork: text('test-network'), size: text('size') };
  return {
    machine: text('name'),
    point: text('point'),
    processServer: text('process-server'),
    ...(Object.values(target).some((one) => one !== '') && { target }),
  };
};

/** When its machines are proven by themselves. */
const proofOf = (file: string, value: unknown): { readonly proof?: ProofSchedule } => {
  if (value === undefined || value === null) return {};
  const fields = mapping(file, 'proof', value);
  const text = (field: string): string => textOf(file, field, fields[field]);
  const ports = listOf(file, 'ports', fields['ports']).map((one) => Number(one));
  const proof = scheduleTold({
    proveEvery: parseHours(text('every')),
    ...(text('at') !== '' && { proveAt: parseTimeOfDay(text('at')) }),
    ...(text('max-age') !== '' && { proveMaxAge: parseHours(text('max-age')) }),
    proveConsole: text('console'),
    provePort: ports.filter((port) => Number.isInteger(port) && port > 0 && port < 65_536),
    proveAgent: fields['agent'] === true,
    proveFsck: fields['fsck'] === true,
    proveScript: text('script'),
    ...(text('patience') !== '' && { provePatience: secondsOf(file, fields['patience']) }),
  });
  if (ports.some((port) => !Number.isInteger(port) || port < 1 || port > 65_535)) throw bad(file, 'ports are no list of ports');
  return proof === undefined ? {} : { proof };
};

/** Reads a plan as people write it, in YAML. Errors: SETTING_INVALID, naming the file and what is wrong; those of reading it. */
export const parsePlan = (name: string, file: string, text: string): RecoveryPlan => {
  let value: unknown;
  try {
    value = parse(text);
  } catch (reason) {
    throw bad(file, `it is no YAML: ${(reason as Error).message.split('\n')[0]}`);
  }
  const plan = mapping(file, 'plan', value);
  const groups = listOf(file, 'groups', plan['groups']).map((one) => {
    const group = mapping(file, 'group', one);
    const list = (field: string): readonly unknown[] => listOf(file, field, group[field]);
    return {
      name: textOf(file, 'name', group['name']),
      delaySeconds: secondsOf(file, group['delay']),
      before: list('before').map((action) => actionOf(file, action)),
      machines: list('machines').map((machine) => machineOf(file, machine)),
      after: list('after').map((action) => actionOf(file, action)),
    };
  });
  return create(RecoveryPlanSchema, { name, note: textOf(file, 'note', plan['note']), groups, ...proofOf(file, plan['proof']) });
};

export const readPlan = async (name: string, file: string): Promise<RecoveryPlan> =>
  parsePlan(
    name,
    file,
    await readFile(file, 'utf8').catch((reason: unknown) => {
      throw fromSystem(reason, file);
    }),
  );
