import { select } from './selection.ts';

const PROJECTS = ['block', 'vault'].map((name) => ({ name, nxName: `@holdfast/${name}`, directory: `packages/${name}` }));
const CHECKS = ['lint', 'types', 'boundaries', 'error-docs'];

const chosen = (...names: string[]) => {
  const { checks, projects, whole } = select(names, PROJECTS, CHECKS);
  return { checks, projects: projects.map(({ name }) => name), whole };
};

describe('the selection of a test run', () => {
  it('is everything without a name', () => {
    expect(chosen()).toEqual({ checks: CHECKS, projects: ['block', 'vault'], whole: true });
  });

  it('is a project by either name, with the checks that can look at a part', () => {
    expect(chosen('vault')).toEqual({ checks: ['lint', 'types'], projects: ['vault'], whole: false });
    expect(chosen('@holdfast/vault')).toEqual(chosen('vault'));
  });

  it('is a check alone, or both', () => {
    expect(chosen('boundaries')).toEqual({ checks: ['boundaries'], projects: [], whole: false });
    expect(chosen('block', 'boundaries')).toEqual({ checks: ['lint', 'types', 'boundaries'], projects: ['block'], whole: false });
  });

  it('refuses a name that is neither', () => {
    expect(() => chosen('block', 'valut')).toThrow(expect.objectContaining({ code: 'SETTING_UNKNOWN', thing: 'valut' }));
  });
});
