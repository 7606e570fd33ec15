import type { LogPosition } from './control-slot.ts';
import type { HrlFinding } from './finding.ts';

const describePosition = (position: LogPosition | undefined): string =>
  position === undefined ? 'none' : `segment ${position.number} (${position.salt}) byte ${position.offset} record ${position.sequence}`;

/** A finding in words for people, line by line. */
export const describeFinding = (finding: HrlFinding): string[] => {
  switch (finding.kind) {
    case 'no log':
      return ['there is no valid state of a log'];
    case 'log': {
      const { logId, machineId, sequence, bootId, hotPath, tail, end, pointId, manifestId } = finding;
      return [
        `agent log ${logId} of machine ${machineId}, state ${sequence}`,
        `boot ${bootId ?? 'unknown'}, in memory ${hotPath ?? 'nothing'}`,
        `tail ${describePosition(tail)}`,
        `end ${describePosition(end)}`,
        `point ${pointId ?? 'none'}, manifest ${manifestId ?? 'none'}`,
      ];
    }
    case 'head':
    case 'freed': {
      const { kind, diskId, generationId, number, open, ended, diskSize } = finding;
      const state = `${open ? ' open' : ''}${ended ? ' ended' : ''}`;
      return [`${kind} disk ${diskId} generation ${generationId} epoch ${number}${state}, ${diskSize} bytes`];
    }
    case 'no segment':
      return [`no segment: ${finding.path}`];
    case 'cut': {
      const { cutId, committed, bytes, pointId, start } = finding;
      const what = pointId === undefined ? 'no point' : `point ${pointId}`;
      return [`cut ${cutId}, ${committed ? 'committed' : 'being committed'}, ${bytes} bytes, ${what}, from ${describePosition(start)}`];
    }
    case 'epoch': {
      const { diskId, generationId, number, open, frames, dataBytes, zeroBytes, unreadableBytes } = finding;
      const name = `disk ${diskId} generation ${generationId} epoch ${number}${open ? ' open' : ''}`;
      return [`  ${name}, ${frames} frames: ${dataBytes} data, ${zeroBytes} zero, ${unreadableBytes} unreadable bytes`];
    }
    case 'damage':
      return [`${finding.cutId === undefined ? '' : '  '}DAMAGED ${finding.thing}: ${finding.why}`];
  }
};
