import { HoldfastError } from '@holdfast/errors';
import type { OutputStream } from '../surroundings.ts';

/** The keyboard of a person. */
export interface Keyboard {
  setRawMode(raw: boolean): unknown;
  setEncoding(encoding: 'utf8'): unknown;
  on(event: 'data', listener: (text: string) => void): unknown;
  off(event: 'data', listener: (text: string) => void): unknown;
  resume(): unknown;
  pause(): unknown;
}

const CTRL_C = '\u0003';
/** Enter, and Ctrl-D. */
const ENDS = ['\r', '\n', '\u0004'];
const BACKSPACES = ['\u007f', '\b'];

/** Asks for a line and shows nothing of it. Error: INTERRUPTED on Ctrl-C. */
export const askSecret = (keyboard: Keyboard, screen: OutputStream, question: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const typed: string[] = [];
    let ended = false;
    const end = (settle: () => void): void => {
      ended = true;
      keyboard.off('data', listen);
      keyboard.setRawMode(false);
      keyboard.pause();
      screen.write('\n');
      settle();
    };
    const listen = (text: string): void => {
      for (const character of text) {
        if (ENDS.includes(character)) end(() => resolve(typed.join('')));
        else if (character === CTRL_C) end(() => reject(interrupted()));
        else if (BACKSPACES.includes(character)) typed.pop();
        else typed.push(character);
        if (ended) return;
      }
    };
    // Silence first: whoever sees the question may answer at once.
    keyboard.setRawMode(true);
    keyboard.setEncoding('utf8');
    keyboard.on('data', listen);
    keyboard.resume();
    screen.write(`${question}: `);
  });

const interrupted = (): HoldfastError =>
  new HoldfastError('INTERRUPTED', { thing: 'question', why: 'it was ended by Ctrl-C', remedy: 'start the command again' });
