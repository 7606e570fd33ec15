import { HoldfastError } from '@holdfast/errors';
import type { DigestReply, DigestRequest } from '../sender/digest-queries.ts';
import { createVaultDigests } from './vault-digests.ts';

const never = new AbortController().signal;
const state = { generationId: 'a', number: 4 };
const range = { offset: 0, length: 1024 * 1024 };
const answer: DigestReply = { state, digests: new Uint8Array(16), size: 1 };
const unavailable = () => new HoldfastError('DIGESTS_UNAVAILABLE', { thing: 'x', why: 'the store is away', remedy: 'z' });

/** Digests from somebody who says these things one after the other, the last one for ever. */
const rigOf = (replies: readonly (DigestReply | (() => Error))[], isHeld: () => boolean = () => false) => {
  const asked: DigestRequest[] = [];
  const askDigests = async (request: DigestRequest): Promise<DigestReply> => {
    const reply = replies[Math.min(asked.length, replies.length - 1)]!;
    asked.push(request);
    if (typeof reply === 'function') throw reply();
    return reply;
  };
  return { asked, digests: createVaultDigests({ sender: { askDigests }, isHeld, haste: 1000 })('disk', state) };
};

describe('what the vault has of a disk', () => {
  it('is asked of exactly the state', async () => {
    const { asked, digests } = rigOf([answer]);
    expect(await digests.coarse(range, never)).toEqual(answer);
    expect(await digests.fine(range, never)).toEqual(answer);
    const common = { diskId: 'disk', state, orNewer: false, ...range };
    expect(asked).toEqual([
      { ...common, coarse: true },
      { ...common, coarse: false },
    ]);
  });

  it('is waited for as long as the state is on its way, and not much longer', async () => {
    let held = 300;
    const { asked, digests } = rigOf(['not durable'], () => {
      held -= 1;
      return held > 0;
    });
    await expect(digests.coarse(range, never)).rejects.toMatchObject({ code: 'DIGESTS_UNAVAILABLE' });
    expect(asked.length).toBeGreaterThan(300);
    const late = rigOf(['not durable', 'not durable', answer]);
    expect(await late.digests.coarse(range, never)).toEqual(answer);
  });

  it('is asked again when the vault cannot be read, a few times; a closer look is not', async () => {
    const weather = rigOf([unavailable, unavailable, answer]);
    expect(await weather.digests.coarse(range, never)).toEqual(answer);
    const outage = rigOf([unavailable]);
    await expect(outage.digests.coarse(range, never)).rejects.toMatchObject({ why: 'the store is away' });
    expect(outage.asked).toHaveLength(4);
    await expect(outage.digests.fine(range, never)).rejects.toThrow();
    expect(outage.asked).toHaveLength(5);
    const old = rigOf([() => new HoldfastError('UNSUPPORTED_OPERATION', { thing: 'x', why: 'old', remedy: 'z' })]);
    await expect(old.digests.coarse(range, never)).rejects.toMatchObject({ code: 'UNSUPPORTED_OPERATION' });
    expect(old.asked).toHaveLength(1);
  });

  it('is not waited for beyond the signal', async () => {
    const controller = new AbortController();
    const { digests } = rigOf(['not durable'], () => true);
    const asked = digests.coarse(range, controller.signal);
    setTimeout(() => controller.abort(new Error('enough')), 5);
    await expect(asked).rejects.toThrow('enough');
  });
});
