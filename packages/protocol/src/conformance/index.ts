export { type DelayingProxy, startDelayingProxy } from './delaying-proxy.ts';
export { type Certified, createTestAuthority, type TestAuthority } from './test-authority.ts';
