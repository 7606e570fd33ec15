import type { GuestResult } from './index.ts';
import { outcomeOf } from './outcome.ts';

const printing = (stdout: string, status: number | undefined) => ({
  run: async (): Promise<GuestResult> => ({ status, stdout, stderr: 'something else' }),
});

describe('what a program in a guest says', () => {
  it.each(['{"wrong":[]}\n', 'modprobe: a warning\n{"wrong":[1]}\n{"wrong":[]}\n', '{"wrong":[]}'])(
    'is its last line (%j)',
    async (text) => {
      expect(await outcomeOf(printing(text, 0), 'program')).toEqual({ wrong: [] });
    },
  );

  it.each([
    ['printed nothing', '', 0],
    ['printed no JSON at last', '{"wrong":[]}\nnot this\n', 0],
    ['ended with another status than 0', '{"wrong":[1]}\n', 1],
    ['went off with the guest', '{"wrong":[]}\n', undefined],
  ])('is nothing when it %s, and the error tells what it printed', async (_, text, status) => {
    await expect(outcomeOf(printing(text, status), 'program')).rejects.toMatchObject({
      code: 'GUEST_FAILED',
      why: expect.stringContaining(`${text} something else`),
    });
  });

  it('may be that something is wrong, where that is expected', async () => {
    expect(await outcomeOf(printing('{"wrong":[1]}\n', 1), 'program', { mayFail: true })).toEqual({ wrong: [1] });
  });
});
