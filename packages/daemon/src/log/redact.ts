const GONE = '[redacted]';

/** Patterns of secrets inside of text, with what stays of them. */
const SECRETS: readonly (readonly [RegExp, string])[] = [
  // Signature of an Azure shared access signature, in a URL or percent-encoded in one.
  [/(^|[?&;\s"]|%26|%3[fF])sig(=|%3[dD])[^&\s"'<>;,]+/g, `$1sig$2${GONE}`],
  [/\b(Bearer|Basic)(\s+)[A-Za-z0-9._~+/-]{8,}=*/gi, `$1$2${GONE}`],
  [/\b(SharedKey(?:Lite)?\s+[\w-]+:)[A-Za-z0-9+/=]+/g, `$1${GONE}`],
  [/\b(AccountKey|SharedAccessSignature|SharedAccessKey|Password|Pwd)=[^;"'\s\\]+/gi, `$1=${GONE}`],
  [/-----BEGIN ([A-Z ]*PRIVATE KEY)-----.*?(?:-----END \1-----|$)/gs, GONE],
  // Password of a URL.
  [/\b([a-z][a-z0-9+.-]{0,30}:\/\/[^\s/:@"']{0,200}):[^\s/@"']+@/gi, `$1:${GONE}@`],
  // A JSON Web Token anywhere.
  [/\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*/g, GONE],
];

/** Takes signatures, bearer tokens, account keys, passwords of URLs and private keys out of text. */
export const redactText = (text: string): string => {
  let clean = text;
  for (const [pattern, left] of SECRETS) clean = clean.replace(pattern, left);
  return clean;
};

/** Fields whose value is a secret whatever it looks like: these words, alone or at the end of a name. */
const SECRET_NAME =
  /(^|[a-z_-])(authorization|bearer|connectionString|credential|credentials|passphrase|password|privateKey|rootKey|dataKey|sas|secret|token)$/i;

/** Deeper structures than this are not logged. */
const DEEPEST = 6;

/** A copy of a value for the log: at any depth, text loses what looks like a secret and fields named like secrets their value. */
export const redactFields = (value: unknown, depth = 0): unknown => {
  if (typeof value === 'string') return redactText(value);
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= DEEPEST) return '[too deep]';
  if (typeof (value as { toJSON?: unknown }).toJSON === 'function') {
    const json: unknown = (value as { toJSON(): unknown }).toJSON();
    return json === value ? '[object]' : redactFields(json, depth + 1);
  }
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (Array.isArray(value)) return value.slice(0, 100).map((item) => redactFields(item, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      name,
      SECRET_NAME.test(name) && inner !== undefined ? GONE : redactFields(inner, depth + 1),
    ]),
  );
};
