export { createFolderStore } from './folder-store.ts';
export { createMemoryStore } from './memory-store.ts';
export type { ObjectInfo, ObjectRange, ObjectStore } from './object-store.ts';
export { openStore } from './open-store.ts';
export { type Fault, type FaultPlan, type FaultRates, type StoreCall, seededFaults, storeUnavailable, withFaults } from './with-faults.ts';
export { type StoreMetrics, withMetrics } from './with-metrics.ts';
