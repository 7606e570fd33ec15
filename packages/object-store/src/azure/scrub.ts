/** The signature of a SAS wherever it stands, and a signature in base64 (HMAC-SHA-256) as the service repeats it. */
const SIGNATURES = [/(\bsig=)[^&\s"'<>]+/gi, /()\b[A-Za-z0-9+/]{43}=(?![A-Za-z0-9+/=])/g];

/** Takes secrets out of a text that others wrote: those given, in plain and as they stand in a URL, and whatever looks like a signature. */
export const scrub = (text: string, secrets: readonly string[]): string => {
  let clean = text;
  for (const secret of secrets) for (const form of [secret, encodeURIComponent(secret)]) clean = clean.replaceAll(form, '…');
  for (const signature of SIGNATURES) clean = clean.replace(signature, '$1…');
  return clean;
};
