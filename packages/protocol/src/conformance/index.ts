export { type DelayingProxy, startDelayingProxy } from './delaying-proxy.ts';
export { type Certified, createTestAuthority, type Flaws, type TestAuthority, USAGES } from './test-authority.ts';
