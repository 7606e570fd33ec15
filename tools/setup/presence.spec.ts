import { isPresent } from './presence.ts';

describe('isPresent', () => {
  it('finds a command on the PATH and a file by its full path', () => {
    expect(isPresent('sh')).toBe(true);
    expect(isPresent('/dev/null')).toBe(true);
  });

  it('misses what is not there, and an empty PATH entry does not mean the current directory', () => {
    expect(isPresent('holdfast-no-such-command')).toBe(false);
    expect(isPresent('/dev/holdfast-no-such-file')).toBe(false);
    const before = process.env['PATH'];
    process.env['PATH'] = '';
    try {
      expect(isPresent('package.json')).toBe(false);
    } finally {
      process.env['PATH'] = before;
    }
  });
});
