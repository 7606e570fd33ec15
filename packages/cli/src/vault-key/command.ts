import { Command } from 'commander';
import type { Surroundings } from '../surroundings.ts';
import { addKeyCommand } from './add.ts';
import { kitCommand } from './kit.ts';
import { listKeysCommand } from './list.ts';
import { rekeyCommand } from './rekey.ts';
import { removeKeyCommand } from './remove.ts';
import { rotateKeysCommand } from './rotate.ts';

const HELP = `
A vault has one root key, which nobody sees, and any number of holders, each with a key that opens it:
a passphrase, a key file, or a key in Azure Key Vault. No secret is ever an argument of a command.`;

/** `holdfast vault key VERB`. */
export const vaultKeyCommand = (surroundings: Surroundings): Command => {
  const group = new Command('key').description('who can open the vault, and its keys').addHelpText('after', HELP);
  const verbs = [listKeysCommand, addKeyCommand, removeKeyCommand, kitCommand, rotateKeysCommand, rekeyCommand];
  for (const verb of verbs) group.addCommand(verb(surroundings));
  return group;
};
