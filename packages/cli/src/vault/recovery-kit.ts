import { open, readFile } from 'node:fs/promises';
import { fromSystem, HoldfastError } from '@holdfast/errors';
import { printable } from '../output/format.ts';
import { formatSlot } from '../secrets/kit-slot.ts';

export interface RecoveryKit {
  readonly vaultUrl: string;
  readonly vaultId: string;
  readonly vaultName: string;
  /** Milliseconds since 1970. */
  readonly created: number;
  /** No secret: tells the vault from one that was put in its place. */
  readonly fingerprint: string;
  /** The line of the key file, where the passphrase is, or which key in a key vault it is. */
  readonly key: KitKey;
  /** A copy of the holder's key slot, in case the store loses it. */
  readonly slot: Uint8Array;
}

export type KitKey = { readonly line: string } | { readonly passphraseFrom: string } | { readonly keyVault: string };

/** The words about the key itself, and the option by which commands get it. */
const tellKey = (key: KitKey): { readonly secret: string; readonly option: string } => {
  if ('line' in key)
    return {
      secret: `This is the key. Whoever holds it can read every disk in the vault:

    ${key.line}

Typed from paper into a file, that line is a key file; this whole text is one as well. Its last eight digits
tell whether a digit was mistyped.`,
      option: '--key-file THIS-FILE',
    };
  if ('keyVault' in key)
    return {
      secret: `The key is in Azure Key Vault, and never leaves it:

    ${printable(key.keyVault)}

Whoever recovers needs the right to unwrap with it; sign in with \`az login\`. When that key is purged, this kit
opens nothing any more: see to it that purge protection is on, and that there is another holder.`,
      option: `--key-vault ${printable(key.keyVault)} --kit THIS-FILE`,
    };
  return {
    secret: `The key is a passphrase. It is NOT in this text; it was taken from ${printable(key.passphraseFrom)}.
Write down here where it is kept: ______________________________________________`,
    option: '--passphrase-file FILE --kit THIS-FILE',
  };
};

/** What somebody needs who has lost everything but this sheet of paper and the store. */
export const formatRecoveryKit = ({ vaultUrl, vaultId, vaultName, created, fingerprint, key, slot }: RecoveryKit): string => {
  const { secret, option } = tellKey(key);
  const right = vaultUrl.startsWith('azure:')
    ? `
   The right to read the container has to come from elsewhere: set AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN,
   or sign in with \`az login\`, before the steps below.
`
    : '';
  return `HOLDFAST RECOVERY KIT

Print this, put the paper in a safe, and keep no copy on a machine that Holdfast protects.
Without the key nobody can read the vault: not you, not the makers of Holdfast.

    vault        ${printable(vaultName)}
    vault url    ${vaultUrl}
    vault id     ${vaultId}
    fingerprint  ${fingerprint}
    created      ${new Date(created).toISOString()}

${secret}

TO RECOVER, on any Linux machine with Holdfast and access to the store; no server is needed:
${right}
1. See which machines and points there are:
     holdfast recover --vault ${vaultUrl} ${option}

2. Write the disks of a machine into image files:
     holdfast recover --vault ${vaultUrl} ${option} \\
       --machine NAME --point latest --export DIRECTORY

3. Or use them at once, without waiting for a copy:
     holdfast recover --vault ${vaultUrl} ${option} \\
       --machine NAME --point latest --serve 127.0.0.1:10809 --overlay DIRECTORY

A COPY OF THE KEY SLOT. It is no secret and opens nothing without the key. It is needed only when the objects below
\`keys/\` of the vault were lost; the commands above take it out of this text by themselves. It counts until this
key is taken back, or the vault is given a new root key.

${formatSlot(slot)
  .map((line) => `    ${line}`)
  .join('\n')}
`;
};

/** Writes the kit to a new file that only its owner may read. Errors: OBJECT_EXISTS, NO_PERMISSION, NO_SPACE. */
export const writeRecoveryKit = async (path: string, kit: RecoveryKit): Promise<void> => {
  try {
    const file = await open(path, 'wx', 0o600);
    try {
      await file.writeFile(formatRecoveryKit(kit));
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (reason) {
    throw fromSystem(reason, path);
  }
};

/** What a kit says of the vault, and its text, in which the key may be. Errors: OBJECT_NOT_FOUND, NO_PERMISSION, DAMAGED. */
export const readRecoveryKit = async (
  path: string,
): Promise<{ readonly vaultUrl: string; readonly vaultId: string; readonly text: string }> => {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (reason) {
    throw fromSystem(reason, path);
  }
  const vaultUrl = /^ *vault url +(\S+)$/m.exec(text)?.[1];
  const vaultId = /^ *vault id +([0-9a-f]{32})$/m.exec(text)?.[1];
  if (vaultUrl === undefined || vaultId === undefined)
    throw new HoldfastError('DAMAGED', {
      thing: path,
      why: 'it is no recovery kit',
      remedy: 'name the file that `holdfast vault create` or `vault key` wrote',
    });
  return { vaultUrl, vaultId, text };
};
