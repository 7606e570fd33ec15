import { inspect } from 'node:util';

/** A value that does not get printed by accident: text, JSON and inspection of it say "[secret]"; only `reveal()` tells. */
export interface Secret {
  reveal(): string;
  toString(): string;
  toJSON(): string;
}

const SHOWN = '[secret]';

/** Wraps `text`. */
export const createSecret = (text: string): Secret => {
  const shown = (): string => SHOWN;
  return Object.freeze({ reveal: () => text, toString: shown, toJSON: shown, [inspect.custom]: shown });
};
