import { closing } from './closing.ts';

describe('closing after work', () => {
  let said: string;
  const surroundings = {
    stderr: {
      write: (text: string) => {
        said += text;
        return true;
      },
    },
  };
  const fails = (why: string) => async (): Promise<never> => {
    throw new Error(why);
  };
  beforeEach(() => {
    said = '';
  });

  it('gives what the work gave, closed', async () => {
    let closed = false;
    const close = async (): Promise<void> => {
      closed = true;
    };
    expect(await closing(surroundings as never, close, async () => 5)).toBe(5);
    expect(closed).toBe(true);
  });

  it('tells what failed first, and that closing failed too', async () => {
    await expect(closing(surroundings as never, fails('still mounted'), fails('no room'))).rejects.toThrow('no room');
    expect(said).toBe('Closing failed too: still mounted\n');
  });

  it('tells that closing failed when nothing else did', async () => {
    await expect(closing(surroundings as never, fails('still mounted'), async () => 5)).rejects.toThrow('still mounted');
    expect(said).toBe('');
  });
});
