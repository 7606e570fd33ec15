import { createSilence } from './silence.ts';

const createRig = () => {
  const told: string[] = [];
  const convergence = { requests: 0, silenceIssues: () => void told.push('silence'), tellIssues: () => void told.push('tell') };
  let clock = 0;
  const silence = createSilence(convergence, 1000, () => clock);
  /** Half a second with so many writes. */
  const look = (writes: number, reads = false): string[] => {
    clock += 500;
    convergence.requests += writes;
    silence.look(reads);
    return told.splice(0);
  };
  return { look };
};

describe('silence', () => {
  it('falls where so much is written that whoever writes minds, and ends where he does not', () => {
    const { look } = createRig();
    expect(look(500)).toEqual(['silence']);
    expect(look(499)).toEqual([]);
    expect(look(250)).toEqual([]);
    expect(look(249)).toEqual(['tell']);
  });

  it('does not fall while something is read', () => {
    const { look } = createRig();
    expect(look(5000, true)).toEqual([]);
    expect(look(5000)).toEqual(['silence']);
    expect(look(0, true)).toEqual(['tell']);
  });

  it('goes by what is written at a time, not in a look', () => {
    const { look } = createRig();
    expect(look(0)).toEqual(['tell']);
    expect(look(400)).toEqual([]);
    expect(look(400)).toEqual([]);
  });
});
