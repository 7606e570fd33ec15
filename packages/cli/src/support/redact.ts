import { redactText } from '@holdfast/daemon';

const GONE = '[redacted]';

/** Names whose values are secrets, in settings, JSON and environments; of names that end in "-file" the value is a path. */
const NAMED =
  /((?:^|[\s"'{,_-])(?:[\w-]*[_-])?(?:authorization|password|passphrase|secret|token|sas|credential|private-?key|account-?key|connection-?string|client-?secret)["']?\s*[:=]\s*)(?!["']?(?:\/|file:))("(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[^\s,}"'][^\n,}]*)/gim;
/** What our own tokens and key files look like: 256 bits in base64url or base64. Ids and fingerprints are hexadecimal. */
const OURS = /(?<![A-Za-z0-9_+/-])[A-Za-z0-9_+/-]{43}=?(?![A-Za-z0-9_+/=-])/g;
const HEXADECIMAL = /^[0-9a-f]+$/i;
/** Names of variables that hold secrets. */
const VARIABLE = /TOKEN|PASSWORD|PASSPHRASE|SECRET|SAS|KEY|CREDENTIAL|CONNECTION_STRING/i;
/** Shorter ones are words that stand anywhere. */
const SHORTEST = 6;

/** The secrets that this process knows: of its environment, and others that are told. */
export const knownSecrets = (environment: Readonly<Record<string, string | undefined>>, others: readonly string[]): readonly string[] => {
  const values = Object.entries(environment).flatMap(([name, value = '']) =>
    VARIABLE.test(name) && !name.endsWith('_FILE') ? [value] : [],
  );
  return [...values, ...others].filter((value) => value.length >= SHORTEST).toSorted((a, b) => b.length - a.length);
};

/** Takes secrets out of a text: known ones, and whatever looks like one. */
export const redactor =
  (known: readonly string[]) =>
  (text: string): string => {
    let clean = text;
    for (const secret of known) clean = clean.replaceAll(secret, GONE);
    return redactText(clean)
      .replace(NAMED, `$1${GONE}`)
      .replace(OURS, (word) => (HEXADECIMAL.test(word) ? word : GONE));
  };
