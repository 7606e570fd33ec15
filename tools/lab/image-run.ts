import path from 'node:path';
import { openView } from '@holdfast/vault';
import { isPresent } from '../setup/presence.ts';
import type { RunContext } from './context.ts';
import { createImageFile, type ImageFile } from './image/image-file.ts';
import { verifyImagePoint } from './image/verify-image-point.ts';
import { unlessAborted } from './interruption.ts';
import { type OpenedLabVault, openLabVault } from './lab-vault.ts';
import { createMachine, type LabMachine } from './machine.ts';
import { createOutcome, type Outcome } from './outcome.ts';
import { liveLine } from './output/progress.ts';
import { copyUntilFirstPoint, killAndRestart, pointAfter, rpoOf, VICTIMS } from './protect.ts';
import type { CheckedPoint } from './verify/checked-point.ts';
import { choosePoints } from './verify/choose-points.ts';

/** Bytes of the image. */
export const IMAGE_SIZE = 192 * 1024 * 1024;
const RANDOM_POINTS = 3;
const FEWEST_POINTS = 6;
const SAMPLE_EVERY_MS = 1000;

/** What the image held at the points whose content is known, by their instants. */
type KnownPoints = Map<number, Uint8Array>;

/** Bursts of writes with a point after each, a SIGKILL for each victim in the middle. */
const writeAndCut = async (context: RunContext, machine: LabMachine, image: ImageFile): Promise<{ known: KnownPoints; rpo: number[] }> => {
  const { options, screen } = context;
  const atWork = { machine, failures: [] };
  const count = Math.max(FEWEST_POINTS, Math.round((options.minutes * 60) / options.pointEvery));
  const known: KnownPoints = new Map();
  const rpo: number[] = [];
  const timer = setInterval(() => {
    machine.sample();
    const rpoSeconds = rpoOf(machine);
    if (rpoSeconds !== undefined) rpo.push(rpoSeconds);
    const { sent, changed, points } = machine.figures;
    const secondsLeft = (count - known.size) * options.pointEvery;
    screen.status('live', liveLine({ secondsLeft, rpoSeconds, sent, changed, points: points.length }));
  }, SAMPLE_EVERY_MS);
  try {
    for (let round = 0; round < count; round += 1) {
      image.burst();
      const written = Date.now();
      if (round === count >> 1) await Promise.all(VICTIMS.map((victim) => killAndRestart(context, atWork, victim)));
      known.set(await pointAfter(context, atWork, written), image.digests());
    }
  } finally {
    clearInterval(timer);
    screen.settle();
  }
  return { known, rpo };
};

const verify = async (
  context: RunContext,
  { history }: OpenedLabVault,
  { disks }: LabMachine,
  known: KnownPoints,
): Promise<CheckedPoint[]> => {
  const { options, screen, signal, recorder } = context;
  const points = history.points.filter(({ time }) => known.has(time));
  const chosen = choosePoints(points, RANDOM_POINTS, options.seed);
  screen.line(`recovering ${chosen.length} of ${history.points.length} points`);
  const checked: CheckedPoint[] = [];
  for (const { point, chosen: how } of chosen) {
    const verdicts = await verifyImagePoint({
      open: () => openView(history, point.id, disks[0]!.id),
      digests: known.get(point.time)!,
      directory: path.join(recorder.record.directory, `recovered-${checked.length}`),
      qemu: isPresent('qemu-img'),
      signal,
    });
    signal.throwIfAborted();
    checked.push({ id: point.id, time: point.time, chosen: how, good: verdicts.every(({ good }) => good), verdicts });
  }
  return checked;
};

/** What can be shown without root or without Linux: an image file, its changes found by scanning it. */
export const runImageLab = async (context: RunContext): Promise<Outcome> => {
  const { options, recorder, screen } = context;
  const file = path.join(recorder.record.directory, 'disk.img');
  const image = createImageFile(file, IMAGE_SIZE, options.seed);
  try {
    const machine = await createMachine(context, { disks: [file] });
    const copy = await copyUntilFirstPoint(context, { machine, failures: [] });
    screen.line('first copy and first point done; the image is written to in bursts, with a point after each');
    const { known, rpo } = await writeAndCut(context, machine, image);
    await unlessAborted(context.signal, machine.stop());
    const vault = await openLabVault(machine.vault, machine.id);
    try {
      const checked = await verify(context, vault, machine, known);
      return await createOutcome({ protection: { rpo, ...copy }, machine, vault, checked });
    } finally {
      await vault.close();
    }
  } finally {
    image.close();
  }
};
