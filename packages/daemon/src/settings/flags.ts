import { HoldfastError } from '@holdfast/errors';

/** Flags of a command line, `[name, value]`, in order; the value is undefined where none stands behind the name. */
export type Flags = readonly (readonly [name: string, value: string | undefined])[];

/** Flags that are no settings. */
export const OWN_FLAGS = ['help', 'version', 'print-settings', 'config'] as const;

/** The value of a flag that needs one. Throws SETTING_INVALID. */
export const givenValue = (name: string, value: string | undefined): string => {
  if (value !== undefined) return value;
  throw new HoldfastError('SETTING_INVALID', {
    thing: `--${name}`,
    why: 'its value is missing',
    remedy: `write --${name}=VALUE; --help lists all there are`,
  });
};
