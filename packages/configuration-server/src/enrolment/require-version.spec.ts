import { requireVersion } from './require-version.ts';

const judge = (member: string, server: string): string => {
  try {
    requireVersion('agent', member, server);
    return 'taken';
  } catch (error) {
    const { code, remedy } = error as { code: string; remedy: string };
    return `${code}: ${remedy.slice(0, 7)}`;
  }
};

describe('versions of members', () => {
  it.each([
    ['0.3.0', '0.3.0', 'taken'],
    ['0.3.9', '0.3.0', 'taken'],
    ['0.1.5', '0.3.0', 'taken'],
    ['0.4.0', '0.3.9', 'VERSION_MISMATCH: upgrade'],
    ['1.0.0', '0.9.0', 'VERSION_MISMATCH: upgrade'],
    ['0.1.0', '0.4.0', 'VERSION_MISMATCH: upgrade'],
    ['1.0.0', '1.9.0', 'taken'],
    ['1.9.0', '2.0.0', 'VERSION_MISMATCH: upgrade'],
    ['2.0.0-beta.1', '1.9.0', 'VERSION_MISMATCH: upgrade'],
    ['built by hand', '1.0.0', 'taken'],
  ])('%s at a server of %s: %s', (member, server, outcome) => {
    expect(`${judge(member, server)} `).toContain(outcome.slice(0, 20));
  });

  it('say in which order to upgrade', () => {
    expect(() => requireVersion('agent', '0.4.0', '0.3.0')).toThrow(/configuration server, process servers, agents/);
  });
});
