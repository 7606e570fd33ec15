import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { findScripts } from './find-scripts.ts';

// Below the home directory: everybody may write to the one for temporary files.
describe('scripts for applications', () => {
  let folder: string;
  let scripts: string;
  beforeEach(() => {
    folder = mkdtempSync(path.join(homedir(), '.holdfast-scripts-'));
    scripts = path.join(folder, 'app-consistency.d');
    mkdirSync(scripts, { mode: 0o755 });
  });
  afterEach(() => rmSync(folder, { recursive: true }));
  const script = (name: string, mode = 0o755, where = scripts): string => {
    const file = path.join(where, name);
    writeFileSync(file, '#!/bin/sh\n');
    chmodSync(file, mode);
    return file;
  };
  const refusal = (): string => {
    try {
      findScripts(scripts);
      return 'none';
    } catch (reason) {
      const { code, why } = reason as { code: string; why: string };
      return `${code} ${why}`;
    }
  };

  it('are the executable files in the order of their names, and what links lead to', () => {
    script('20-b');
    script('10-a', 0o700);
    script('README', 0o644);
    script('.hidden');
    mkdirSync(path.join(scripts, '30-folder'));
    symlinkSync(script('ready', 0o755, folder), path.join(scripts, '15-link'));
    symlinkSync('/nowhere', path.join(scripts, '16-broken'));
    expect(findScripts(scripts).map((file) => path.basename(file))).toEqual(['10-a', '15-link', '20-b']);
    expect(findScripts(path.join(folder, 'absent'))).toEqual([]);
  });

  it.each([0o757, 0o775, 0o777])('are refused with mode %o, by name', (mode) => {
    const file = script('10-a', mode);
    expect(refusal()).toBe(`SCRIPT_REFUSED ${file} can be written by others (mode ${mode.toString(8)})`);
    chmodSync(file, 0o755);
    expect(refusal()).toBe('none');
  });

  it('are refused when somebody else could put others in their place', () => {
    script('10-a');
    chmodSync(scripts, 0o777);
    expect(refusal()).toContain(`${scripts} can be written by others`);
    chmodSync(scripts, 0o755);
    chmodSync(folder, 0o777);
    expect(refusal()).toContain(`${folder} can be written by others`);
    chmodSync(folder, 0o755);
    const elsewhere = mkdtempSync('/tmp/holdfast-scripts-');
    symlinkSync(script('tool', 0o755, elsewhere), path.join(scripts, '20-link'));
    expect(refusal()).toContain('/tmp can be written by others');
    rmSync(elsewhere, { recursive: true });
  });

  it.unless(process.getuid?.() === 0 ? undefined : 'not root', 'are refused when they belong to somebody else', () => {
    const NOBODY = 65534;
    const file = script('10-a');
    chownSync(file, NOBODY, NOBODY);
    expect(refusal()).toBe(`SCRIPT_REFUSED ${file} belongs to user ${NOBODY}`);
  });
});
