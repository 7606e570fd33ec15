import { HoldfastError } from '@holdfast/errors';

export type Value = string | number | readonly (string | number)[];
/** A section of a text of LVM2: values and sections by name. */
export interface Section {
  readonly values: ReadonlyMap<string, Value>;
  readonly sections: ReadonlyMap<string, Section>;
}

const TOKEN = /\s+|#[^\n]*|"((?:[^"\\]|\\.)*)"|(-?\d+(?:\.\d+)?)(?![\w.+-])|([\w.+-]+)|([{}[\]=,])/gy;
const DEEPEST = 8;

/** Reads the texts of LVM2 (`name = value`, `name { … }`, lists in brackets). Errors: DAMAGED. */
export const parseConfig = (text: string): Section => {
  const tokens = tokensOf(text);
  let at = 0;
  const scalar = (): string | number => {
    const token = tokens[at++];
    if (token?.kind === 'text') return token.text;
    if (token?.kind === 'number') return Number(token.text);
    throw damaged('a value is missing');
  };
  const value = (): Value => {
    if (tokens[at]?.text !== '[' || tokens[at]?.kind !== 'sign') return scalar();
    const list: (string | number)[] = [];
    for (at += 1; tokens[at]?.text !== ']'; ) {
      list.push(scalar());
      if (tokens[at]?.text === ',') at += 1;
      else if (tokens[at]?.text !== ']') throw damaged('a list has no end');
    }
    at += 1;
    return list;
  };
  const section = (depth: number): Section => {
    if (depth > DEEPEST) throw damaged('sections lie too deep in each other');
    const values = new Map<string, Value>();
    const sections = new Map<string, Section>();
    while (at < tokens.length && tokens[at]?.text !== '}') {
      const name = tokens[at++]!;
      if (name.kind !== 'name' && name.kind !== 'number') throw damaged('a name is missing');
      const sign = tokens[at++]?.text;
      if (sign === '=') values.set(name.text, value());
      else if (sign === '{') {
        sections.set(name.text, section(depth + 1));
        if (tokens[at++]?.text !== '}') throw damaged('a section has no end');
      } else throw damaged(`nothing follows ${name.text}`);
    }
    return { values, sections };
  };
  const whole = section(0);
  if (at < tokens.length) throw damaged('something stands behind its end');
  return whole;
};

interface Token {
  readonly kind: 'text' | 'number' | 'name' | 'sign';
  readonly text: string;
}

const tokensOf = (text: string): Token[] => {
  const tokens: Token[] = [];
  TOKEN.lastIndex = 0;
  for (let at = 0; at < text.length; at = TOKEN.lastIndex) {
    TOKEN.lastIndex = at;
    const found = TOKEN.exec(text);
    if (found === null) throw damaged(`it cannot be read at ${JSON.stringify(text.slice(at, at + 20))}`);
    const [, quoted, digits, name, sign] = found;
    if (quoted !== undefined) tokens.push({ kind: 'text', text: quoted.replaceAll(/\\(.)/g, '$1') });
    else if (digits !== undefined) tokens.push({ kind: 'number', text: digits });
    else if (name !== undefined) tokens.push({ kind: 'name', text: name });
    else if (sign !== undefined) tokens.push({ kind: 'sign', text: sign });
  }
  return tokens;
};

const damaged = (why: string): HoldfastError =>
  new HoldfastError('DAMAGED', { thing: 'LVM metadata', why, remedy: 'look at the disk with vgck on another machine' });
