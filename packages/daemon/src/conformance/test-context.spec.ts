import { tmpdir } from 'node:os';
import { integer, secret } from '../settings/kinds.ts';
import { section } from '../settings/setting.ts';
import { openTestContext } from './test-context.ts';

const settings = {
  journal: section('x', { syncEvery: integer({ help: 'x', default: '5', min: 1, max: 9 }), key: secret({ help: 'x', optional: true }) }),
};

describe('a context for tests', () => {
  it('has the settings given, the others by default, and a log that can be looked at', async () => {
    const { context, lines, stop } = await openTestContext({
      settings,
      stateDirectory: tmpdir(),
      given: { 'journal.sync-every': '7', 'journal.key': 'k' },
    });
    expect(context.settings.journal.syncEvery).toBe(7);
    expect(context.settings.journal.key?.reveal()).toBe('k');
    expect(context.settings.stop.deadline).toBe(30_000);
    context.log.info('Hello');
    const closed = jest.fn();
    context.onStop('x', closed);
    expect(await stop()).toBe(0);
    expect(closed).toHaveBeenCalled();
    expect(lines.map(({ message }) => message)).toEqual(['Hello', 'The program stops']);
  });

  it('refuses settings that are wrong', async () => {
    await expect(openTestContext({ settings, stateDirectory: tmpdir(), given: { 'journal.sync-every': '10' } })).rejects.toThrow(
      /SETTING_INVALID/,
    );
  });
});
