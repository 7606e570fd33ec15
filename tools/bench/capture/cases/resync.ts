import path from 'node:path';
import { runTool } from '../../../lab/host/run-tool.ts';
import { createResyncRig, type ResyncRig } from '../../../resync/rig.ts';
import { comparePairs, type Sample } from '../../measure.ts';
import { createRow } from '../../row.ts';
import type { CaptureCase } from '../capture-case.ts';

const MIB = 1024 * 1024;
const DISK_SIZE = 8192 * MIB;

/**
 * Resynchronizes a disk of 8 GiB in which nothing changed: from the start of the agent to the first new point in the vault, with the process
 * server on the same machine. Every block is different and none is zero.
 */
export const resync: CaptureCase = {
  name: 'resync',
  run: async ({ pairs, directory, note }) => {
    const rig: ResyncRig = await createResyncRig({
      size: DISK_SIZE,
      folder: directory,
      tools: path.join(import.meta.dirname, '../../..'),
    });
    const sent: number[] = [];
    const read = async (): Promise<Sample> => {
      const began = performance.now();
      await runTool('sha256sum', [rig.disk]);
      return { value: (performance.now() - began) / 1000 };
    };
    const compare = async (): Promise<Sample> => {
      await rig.agent.kill('SIGTERM');
      rig.forgetTrace();
      const before = rig.agent.sentBytes;
      const began = performance.now();
      await rig.agent.start();
      await rig.agent.settled();
      sent.push((rig.agent.sentBytes - before) / 1e6);
      return { value: (performance.now() - began) / 1000 };
    };
    try {
      note('fills a disk of 8 GiB and copies it');
      rig.scribble([0], DISK_SIZE);
      await rig.agent.start();
      await rig.agent.settled();
      const rows = await comparePairs({
        measure: 'resync of an unchanged disk of 8 GiB',
        unit: 's',
        ours: { name: 'agent', run: compare },
        theirs: { name: 'sha256sum', run: read },
        goal: { atMost: 1.2 },
        pairs,
      });
      return [...rows, createRow({ measure: 'sent meanwhile', unit: 'MB' }, sent, undefined, { goal: { atMost: 1 } })];
    } finally {
      await rig.close();
    }
  },
};
