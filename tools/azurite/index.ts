export { type Azurite, type AzuriteOptions, startAzurite } from './azurite.ts';
export { signSas } from './sas.ts';
