import { commitCut } from '../hrl/testing/scripted-cuts.ts';
import { openSenderRig, type SenderRig } from './testing/sender-rig.ts';
import { until } from './testing/until.ts';

const open: SenderRig[] = [];
const rigOf = async (...options: Parameters<typeof openSenderRig>): Promise<SenderRig> => {
  const rig = await openSenderRig(...options);
  open.push(rig);
  return rig;
};
afterEach(async () => {
  await Promise.all(open.splice(0).map((rig) => rig.close()));
});

describe('a sender', () => {
  it('carries cuts in order and frees each when it is durable', async () => {
    const rig = await rigOf();
    const ids = [
      [[100, 200], [300]],
      [[], []],
      [[700_000, 700_000, 700_000], [5]],
    ].map((shape) => commitCut(rig.hrl, shape).id);
    rig.sender.wake();
    await until(
      'all are freed',
      () => rig.freed.length === 3,
      () => rig.sender.status,
    );
    expect(rig.freed).toEqual(ids);
    expect(rig.server.violations).toEqual([]);
    expect(rig.server.vault.map(({ id }) => id)).toEqual(ids);
    expect(rig.freedEarly).toEqual([]);
  });
});
