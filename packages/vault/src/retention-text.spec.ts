import fc from 'fast-check';
import { RETENTION_PRESETS } from './retention.ts';
import { parseRetention } from './retention-text.ts';

const HOUR = 3_600_000;

describe('a retention in words', () => {
  it('is a preset', () => {
    for (const [name, policy] of Object.entries(RETENTION_PRESETS)) expect(parseRetention(name)).toEqual({ policy });
  });

  it('is a grid of one’s own, finest first', () => {
    const rules = [
      { every: 0, until: 2 * HOUR },
      { every: HOUR / 4, until: 12 * HOUR },
      { every: HOUR, until: 72 * HOUR },
      { every: 7 * 24 * HOUR, until: 2 * 365 * 24 * HOUR },
    ];
    expect(parseRetention('all 2h, 15min 12h, 1h 3d, 1w 2y')).toEqual({ policy: { rules } });
    expect(parseRetention(' all  2h,15min 12h,1h   72h ,7d 730d')).toEqual({ policy: { rules } });
    expect(parseRetention('1d 90d')).toEqual({ policy: { rules: [{ every: 24 * HOUR, until: 90 * 24 * HOUR }] } });
  });

  it.each([
    ['', /neither one of 24h, 72h, 15d/],
    ['1y', /neither one of/],
    ['toString', /neither one of/],
    ['all', /neither one of/],
    ['all 2h 3h', /neither one of/],
    ['0h 3d', /neither one of/],
    ['1h 3 d', /neither one of/],
    ['-1h 3d', /neither one of/],
    ['1.5h 3d', /neither one of/],
    ['all 2h,', /neither one of/],
    ['1h 1h', /"1h 1h" keeps no point/],
    ['all 0h, 1h 2d', /"all 0h" keeps no point/],
    ['all 2h, 1h 2h', /"1h 2h" does not reach further back/],
    ['1d 3d, 1h 9d', /"1h 9d" is not coarser/],
    ['all 2h, all 3h', /"all 3h" is not coarser/],
    ['all 30min', /from an hour to 20 years/],
    ['1d 21y', /from an hour to 20 years/],
    ['1h 2h, 2h 3h, 3h 4h, 4h 5h, 5h 6h, 6h 7h, 7h 8h, 8h 9h, 9h 10h', /at most 8 steps/],
    [`all 2h${' '.repeat(300)}, 1h 3d`, /neither one of/],
  ])('refuses %p', (text, problem) => {
    expect(parseRetention(text)).toEqual({ problem: expect.stringMatching(problem) });
  });

  it('is what was said, whatever the grid, and never anything else', () => {
    const steps = fc.array(fc.tuple(fc.integer({ min: 1, max: 400 }), fc.integer({ min: 1, max: 4000 })), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(steps, (pairs) => {
        const text = pairs.map(([every, until]) => `${every}h ${until}h`).join(', ');
        const rules = pairs.map(([every, until]) => ({ every: every * HOUR, until: until * HOUR }));
        const isGrid = rules.every(
          ({ every, until }, i) => every < until && (i === 0 || (every > rules[i - 1]!.every && until > rules[i - 1]!.until)),
        );
        const read = parseRetention(text);
        if (isGrid) expect(read).toEqual({ policy: { rules } });
        else expect(read).toHaveProperty('problem');
      }),
    );
  });
});
