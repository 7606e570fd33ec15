import { describeStateStore } from '../conformance/index.ts';
import { createMemoryStore } from './memory-store.ts';

describeStateStore('memory', { open: async (limits) => createMemoryStore(limits) });
