export { type FakeKeyVault, type KeyRight, startKeyVault } from './key-vault.ts';
