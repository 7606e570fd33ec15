import { credentialFromEnvironment, inspectAzureContainer, type StoreCheck, validateStore } from '@holdfast/object-store';
import { Command, Option } from 'commander';
import { orStopped } from '../or-stopped.ts';
import { type OutputOptions, outputOption, writeAnswer } from '../output/answer.ts';
import type { Surroundings } from '../surroundings.ts';
import { STORE_HELP } from './with-vault.ts';

interface ValidateStoreOptions extends OutputOptions {
  readonly store: string;
}

const HELP = `
Tries everything that a vault rests on: that an object which is there is never replaced, that of
racing creators one wins, ranges, lists, clock, deleting. Of Azure it also tells what versioning,
soft delete, immutability and tier do to cost and deleting. Works with objects of its own under
validate/, and deletes them. No key is needed. Ends with status 1 when the store is no place for
a vault.

Examples:
  holdfast vault validate-store --store file:/srv/vault
  holdfast vault validate-store --store azure:https://acme.blob.core.windows.net/vaults --output json

${STORE_HELP}`;

export const validateStoreCommand = (surroundings: Surroundings): Command =>
  new Command('validate-store')
    .description('find out whether a store does what a vault needs')
    .addOption(new Option('--store <url>', 'where the vault is, or shall be (required)').makeOptionMandatory())
    .addOption(outputOption())
    .addHelpText('after', HELP)
    .action((options: ValidateStoreOptions) => validate(surroundings, options));

const validate = async (surroundings: Surroundings, options: ValidateStoreOptions): Promise<void> => {
  const { stop, stderr, environment, now } = surroundings;
  const store = await surroundings.openStore(options.store);
  let checks: readonly StoreCheck[];
  try {
    checks = await orStopped(stop, validateStore(store, { now, onCheck: ({ name }) => stderr.write(`tried: ${name}\n`) }));
  } finally {
    await store.close();
  }
  if (options.store.startsWith('azure:'))
    checks = [
      ...checks,
      ...(await orStopped(stop, inspectAzureContainer({ url: options.store, credential: credentialFromEnvironment(environment) }))),
    ];
  const isBad = checks.some(({ outcome }) => outcome === 'bad');
  writeAnswer(surroundings, options, {
    data: { store: store.url, good: !isBad, checks },
    people: [
      {
        columns: [{ heading: 'CHECK' }, { heading: 'OUTCOME' }, { heading: 'DETAIL' }],
        rows: checks.map(({ name, outcome, detail }) => [name, outcome === 'unknown' ? '-' : outcome, detail]),
      },
      { line: isBad ? 'NOT GOOD: a vault is not safe there.' : 'Good: a vault can be there.' },
    ],
  });
  if (isBad) surroundings.onFindings();
};
