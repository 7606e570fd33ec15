import { create } from '@bufbuild/protobuf';
import { CHECKS, type CheckReport, type CheckRequest, CheckRequestSchema, type Finding, idBytes, idText } from '@holdfast/protocol';
import type { TrackedReader } from '../control/follow.ts';
import { type Kind, plainKind } from '../records/kind.ts';
import { transact } from '../records/transaction.ts';
import type { StateStore } from '../state/state-store.ts';

/** A look at its surroundings that a member was asked for; its id is the member's. The answer stays until the next one. */
export interface CheckRecord {
  readonly requestId: string;
  /** Addresses that a machine shall try to reach. */
  readonly servers: readonly string[];
  /** Bridges that a process server shall look at; absent from records of earlier versions. */
  readonly bridges?: readonly string[];
  /** Milliseconds since 1970. */
  readonly asked: number;
  /** When the member looked; 0: not yet. */
  readonly answered: number;
  readonly findings: readonly Finding[];
}

export const checkRecords: Kind<CheckRecord> = plainKind('check', 1);

/** What a member is asked for now; undefined: nothing. */
export const wantedCheck = async (read: TrackedReader, member: string): Promise<CheckRequest | undefined> => {
  const record = (await read.get(checkRecords, member))?.value;
  if (record === undefined || record.answered !== 0) return undefined;
  return create(CheckRequestSchema, {
    id: idBytes(record.requestId),
    processServers: [...record.servers],
    bridges: [...(record.bridges ?? [])],
  });
};

const MOST = 500;
const LONGEST = 1000;

/** Findings as a member tells them: bounded, and of codes that are known here. */
const readFindings = ({ findings }: CheckReport): Finding[] =>
  findings.slice(0, MOST).flatMap(({ code, thing, text, remedy, result }) => {
    if (!Object.hasOwn(CHECKS, code)) return [];
    const cut = (words: string): string => words.slice(0, LONGEST);
    return [{ code: code as Finding['code'], thing: cut(thing), text: cut(text), remedy: cut(remedy), result }];
  });

/** Keeps what a member says that it found, once. */
export const takeAnswer = async (store: StateStore, member: string, report: CheckReport | undefined): Promise<void> => {
  if (report === undefined || report.requestId.length !== 16) return;
  await transact(store, async (transaction) => {
    const record = (await transaction.read(checkRecords, member))?.value;
    if (record === undefined || record.answered !== 0 || record.requestId !== idText(report.requestId)) return;
    transaction.put(checkRecords, member, { ...record, answered: Date.now(), findings: readFindings(report) });
  });
};
