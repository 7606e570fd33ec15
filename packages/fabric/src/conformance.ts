import type { Fabric } from './fabric.ts';

/** Jest specs that every fabric has to pass. */
export const describeFabric = (_name: string, _make: () => Promise<Fabric>): void => {};
