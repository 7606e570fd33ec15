import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createQemuFabric } from '@holdfast/fabric';
import { cleanUp } from '../record/clean-up.ts';
import { createRecorder } from '../record/run-record.ts';
import { makeRecoveryPlace } from './recovery-place.ts';

let parent: string;
beforeEach(() => {
  parent = mkdtempSync(path.join(os.tmpdir(), 'lab-rec-'));
});
afterEach(() => rmSync(parent, { recursive: true }));

/** Whether sockets of machines fit, as the fabric sees it. */
const fits = async (place: string): Promise<boolean> =>
  (await createQemuFabric({ directory: path.join(place, 'vm') }).check()).every(
    ({ name, level }) => name !== 'directory' || level === 'good',
  );

describe('the place of recovered machines', () => {
  it('is in the directory of the run', async () => {
    const recorder = createRecorder('0a1b2c3d', parent);
    const place = makeRecoveryPlace(recorder);
    expect(place).toBe(path.join(recorder.record.directory, 'recovery'));
    expect(await fits(place)).toBe(true);
  });

  it('is elsewhere, for this user alone, where names of sockets would be too long, and goes with the run', async () => {
    const deep = path.join(parent, 'd'.repeat(60));
    mkdirSync(deep);
    const recorder = createRecorder('0a1b2c3d', deep);
    expect(await fits(path.join(recorder.record.directory, 'recovery'))).toBe(false);
    const place = makeRecoveryPlace(recorder, parent);
    expect([path.dirname(place), statSync(place).mode & 0o777, await fits(place)]).toEqual([parent, 0o700, true]);
    // Also where the files of the run are kept: what machines wrote is none of them.
    expect(await cleanUp(recorder.file, recorder.record, { keepFiles: true })).toEqual({ failures: [], held: [] });
    expect(existsSync(place)).toBe(false);
  });

  it('is not taken where somebody else made it', () => {
    const deep = path.join(parent, 'd'.repeat(60));
    mkdirSync(deep);
    mkdirSync(path.join(parent, 'holdfast-lab-recovery-0a1b2c3d'));
    const recorder = createRecorder('0a1b2c3d', deep);
    expect(() => makeRecoveryPlace(recorder, parent)).toThrow('EEXIST');
    expect(recorder.record.recoveries).toEqual([]);
  });
});
