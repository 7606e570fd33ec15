import { getEventListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { VaultStanding } from '../upload/vaults.ts';
import { keepVaults } from './keep-vaults.ts';

const PAUSES = { usual: 1, soon: 1 };

const until = async (holds: () => boolean): Promise<void> => {
  for (const end = Date.now() + 20_000; !holds(); await sleep(1)) if (Date.now() > end) throw new Error('it never came to be');
};

const standing = (id: string | undefined): VaultStanding => ({
  name: 'main',
  id,
  location: 'file:///vault',
  place: '',
  previous: undefined,
  problem: undefined,
  isOpen: id !== undefined,
  looked: 0,
});

describe('looking after vaults', () => {
  let stop: AbortController;
  let looks: number;
  let known: string | undefined;
  let told: number;

  const keep = (look: () => Promise<void> = async () => undefined): Promise<void> => {
    const counted = (): Promise<void> => {
      looks += 1;
      return look();
    };
    const onLooked = (): void => {
      told += 1;
    };
    return keepVaults({ look: counted, standings: () => [standing(known)] }, onLooked, stop.signal, PAUSES);
  };

  beforeEach(() => {
    stop = new AbortController();
    looks = 0;
    told = 0;
    known = undefined;
  });

  it('leaves no listener behind with any look', async () => {
    let most = 0;
    const running = keep(async () => {
      most = Math.max(most, getEventListeners(stop.signal, 'abort').length);
    });
    await until(() => looks > 20);
    expect(most).toBeLessThanOrEqual(1);
    stop.abort();
    await running;
    expect(getEventListeners(stop.signal, 'abort')).toEqual([]);
  });

  it('ends when it is stopped, although a vault never answers', async () => {
    const running = keep(() => new Promise(() => undefined));
    stop.abort();
    await running;
    expect([looks, told]).toEqual([1, 0]);
  });

  it('tells what it has seen once, and what has changed', async () => {
    const running = keep();
    await until(() => looks > 5);
    expect(told).toBe(1);
    known = '0'.repeat(32);
    await until(() => told === 2);
    const seen = looks;
    await until(() => looks > seen + 5);
    expect(told).toBe(2);
    stop.abort();
    await running;
  });
});
