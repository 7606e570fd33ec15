import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { checkLength, checkReportPlace, checkRoom } from './preconditions.ts';

describe('preconditions', () => {
  it('refuse a report that could not be written', () => {
    const directory = mkdtempSync(path.join(os.tmpdir(), 'lab-preconditions-'));
    try {
      writeFileSync(path.join(directory, 'there'), '');
      checkReportPlace(path.join(directory, 'new'));
      checkReportPlace(path.join(directory, 'there'));
      for (const bad of [path.join(directory, 'no', 'where'), path.join(directory, 'there', 'below'), directory])
        expect(() => checkReportPlace(bad)).toThrow('[SETTING_INVALID]');
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it('refuse a place without room', () => {
    checkRoom('/tmp', 'ledger', 5 * 2 ** 30);
    expect(() => checkRoom('/tmp', 'ledger', 2 ** 30)).toThrow('[NO_SPACE] /tmp: 1.0 GiB are free where 4.0 GiB may be needed');
    checkRoom('/tmp', 'image', 2 ** 30);
  });

  it('refuse a directory whose name leaves no room for a socket', () => {
    checkLength('/tmp/holdfast-lab-12345678');
    expect(() => checkLength(`/${'x'.repeat(80)}`)).toThrow('[SETTING_INVALID]');
  });
});
