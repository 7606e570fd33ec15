import type { MessageInitShape } from '@bufbuild/protobuf';
import { type AgentReportSchema, idBytes } from '@holdfast/protocol';
import type { Engine, EngineStatus } from './engine.ts';

type Report = MessageInitShape<typeof AgentReportSchema>;

const answerMessage = ({ requestId, kind, unixMillis, durable, problem }: NonNullable<EngineStatus['pointAnswer']>) => ({
  requestId: idBytes(requestId),
  kind,
  unixMillis: BigInt(unixMillis),
  durable,
  problemCode: problem?.code ?? '',
  problem: problem?.message ?? '',
});

/** Makes a report of the engine's state; rates are means since the report before. */
export const createReporter = (engine: Engine, now: () => number = () => performance.now()): (() => Report) => {
  let last = { at: now(), changed: 0, sent: 0 };
  return () => {
    const { status } = engine;
    const at = now();
    const seconds = Math.max(0.001, (at - last.at) / 1000);
    const rate = (total: number, before: number): bigint => BigInt(Math.max(0, Math.round((total - before) / seconds)));
    const rates = {
      changedBytesPerSecond: rate(status.changedBytes, last.changed),
      sentBytesPerSecond: rate(status.sentBytes, last.sent),
    };
    last = { at, changed: status.changedBytes, sent: status.sentBytes };
    return {
      ...rates,
      revision: status.revision,
      disks: status.disks.map(({ id, phase, size, copiedBytes, paused, problem }) => ({
        diskId: idBytes(id),
        phase,
        size: BigInt(size),
        copiedBytes: BigInt(copiedBytes),
        paused,
        problemCode: problem?.code ?? '',
        problem: problem?.text ?? '',
      })),
      newestPointUnixMillis: BigInt(status.newestPoint),
      rpoSeconds: status.rpoSeconds ?? 0,
      pendingBytes: BigInt(status.pendingBytes),
      sourceBytes: BigInt(status.sourceBytes),
      churnSeconds: status.churnSeconds.map((seconds) => BigInt(Math.round(seconds))),
      peakChurnBytesPerSecond: BigInt(Math.round(status.peakChurn)),
      secondsWithoutServer: (status.sender?.without ?? 0) / 1000,
      serverProblem: status.sender?.problem?.message.slice(0, 1000) ?? '',
      points: BigInt(status.durablePoints),
      ...(status.pointAnswer === undefined ? {} : { pointAnswer: answerMessage(status.pointAnswer) }),
      events: engine.takeEvents().map(({ unixMillis, code, text }) => ({ unixMillis: BigInt(unixMillis), code, text })),
    };
  };
};
