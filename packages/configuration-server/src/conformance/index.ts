export { describeStateStore, type StateStoreKind } from './describe-state-store.ts';
