/** What stands in the file, the environment or on the command line before it is understood: all scalars are text. */
export type RawValue = string | readonly string[];

/** One setting: what it means, what it may be, and how its text becomes a value. Made by the functions of kinds.ts. */
export interface Setting<T> {
  /** One clause for people: what it does and when to change it. */
  readonly help: string;
  /** What is allowed, as a noun phrase: "a duration from 1s to 24h, such as 30s or 5min". */
  readonly allowed: string;
  /** The value when nobody sets it, as text; absent when there is none. */
  readonly fallback?: RawValue;
  /** True when it may stay unset without a fallback: its value is then undefined. */
  readonly optional: boolean;
  /** True when its value is never shown and not taken from the command line. */
  readonly secret: boolean;
  /** The value as text, where that says more than what was given: an absolute path. */
  show?(value: unknown): string;
  /** Understands `raw`; relative paths start at `base`. Throws an Error whose message says what is wrong, never quoting a secret. */
  parse(raw: RawValue, base: string): T;
}

type AnySetting = Setting<unknown>;

/** Settings by name: camelCase in code, kebab-case in files and flags, upper case in the environment. */
export type Fields = Readonly<Record<string, AnySetting>>;

/** A group of settings with one name: `journal: {quota: …}`. */
export interface Section<F extends Fields = Fields> {
  readonly form: 'section';
  readonly help: string;
  readonly fields: F;
}

/** A group that is repeated under names the user chooses: `vaults: {main: {url: …}, second: {url: …}}`. */
export interface Table<F extends Fields = Fields> {
  readonly form: 'table';
  readonly help: string;
  /** What an entry is called in help texts: "vault". */
  readonly entry: string;
  readonly fields: F;
}

/** All settings of a program. */
export type Schema = Readonly<Record<string, Section | Table>>;

/** The values of one group. */
export type ValuesOf<F extends Fields> = { readonly [K in keyof F]: F[K] extends Setting<infer T> ? T : never };

/** The values of a schema as the program reads them: `settings.journal.quota`, `settings.vaults.main.url`. */
export type Values<S extends Schema> = {
  readonly [K in keyof S]: S[K] extends Section<infer F>
    ? ValuesOf<F>
    : S[K] extends Table<infer F>
      ? Readonly<Record<string, ValuesOf<F>>>
      : never;
};

/** A group of settings under one name. */
export const section = <F extends Fields>(help: string, fields: F): Section<F> => ({ form: 'section', help, fields });

/** A group of settings repeated under names the user chooses; `entry` is what one of them is called. */
export const table = <F extends Fields>(entry: string, help: string, fields: F): Table<F> => ({ form: 'table', entry, help, fields });
