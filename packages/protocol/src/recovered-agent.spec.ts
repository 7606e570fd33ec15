import { findSilentAgent, formatSilentAgent } from './recovered-agent.ts';

describe('what a silent agent says', () => {
  const [machineId, other] = ['ab'.repeat(16), 'cd'.repeat(16)];
  const line = formatSilentAgent({ machineId, version: '0.1.0' });

  it('is found among what was said before, and is that of its machine', () => {
    expect(findSilentAgent(`noise\n${formatSilentAgent({ machineId: other, version: '0.1.0' })}${line}`, machineId)).toBe(line.trim());
    expect(findSilentAgent(line, other)).toBeUndefined();
  });

  it.each(['', line.slice(0, 20), `x${line}`, line.replace('nothing', 'all')])('is not found in %j', (text) => {
    expect(findSilentAgent(text, machineId)).toBeUndefined();
  });
});
