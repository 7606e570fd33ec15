import { createPresence, hasInForce } from './presence.ts';

interface Report {
  readonly revision: bigint;
}

const open = () => {
  const presence = createPresence<string, Report>();
  const replaced: string[] = [];
  const session = presence.open('a', 'hello', () => void replaced.push('first'));
  return { presence, session, replaced };
};

describe('what a member has in force', () => {
  it.each([
    ['what was told holds for later revisions that changed nothing', 12, 10, 10n, 11, true],
    ['what was told is in force', 10, 10, 10n, 10, true],
    ['it reports a newer one', 10, 10, 11n, 10, true],
    ['it has not reported what was told', 10, 10, 9n, 10, false],
    ['the change is not in what was computed yet, whatever it reports', 10, 10, 10n, 11, false],
    ['it reports what another server told it', 5, 5, 100n, 6, false],
  ])('%s', (_, computed, sent, revision, wanted, inForce) => {
    const { presence, session } = open();
    session.told(computed, sent);
    expect(hasInForce(presence.get('a')!, wanted)).toBe(false);
    session.reported({ revision });
    expect(hasInForce(presence.get('a')!, wanted)).toBe(inForce);
    session.close();
    expect(hasInForce(presence.get('a')!, wanted)).toBe(false);
  });
});

describe('presence', () => {
  it('keeps the newest report after the stream ended, and forgets it with the next', () => {
    const { presence, session } = open();
    session.reported({ revision: 1n });
    expect(session.close()).toBe(true);
    expect(presence.get('a')).toMatchObject({ connected: false, report: { revision: 1n } });
    expect(presence.connected()).toEqual([]);
    presence.open('a', 'again', () => undefined);
    expect(presence.get('a')).toMatchObject({ connected: true, hello: 'again', report: undefined });
  });

  it('lets the newest stream take over, and hears nothing more from the older one', () => {
    const { presence, session, replaced } = open();
    const second = presence.open('a', 'second', () => undefined);
    expect(replaced).toEqual(['first']);
    session.reported({ revision: 7n });
    session.told(7, 7);
    expect(session.close()).toBe(false);
    expect(presence.get('a')).toMatchObject({ connected: true, hello: 'second', report: undefined, computed: 0 });
    expect(second.close()).toBe(true);
  });

  it('calls back for one member only, each subscription for itself', () => {
    const { presence, session } = open();
    const called: string[] = [];
    const listener = (): void => void called.push('a');
    const [first, second] = [presence.subscribe('a', listener), presence.subscribe('a', listener)];
    presence.subscribe('b', () => called.push('b'));
    session.told(1, 1);
    first();
    session.told(2, 2);
    second();
    session.told(3, 3);
    expect(called).toEqual(['a', 'a', 'a']);
  });
});
