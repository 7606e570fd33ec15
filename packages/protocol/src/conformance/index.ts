export { type DelayingProxy, startDelayingProxy } from './delaying-proxy.ts';
export { answerEach, openReplicationSite, type ReplicationSite } from './replication-site.ts';
export { collect, creditMessage, holdCalls, openMessage } from './streams.ts';
export { type Certified, createTestAuthority, type Flaws, type TestAuthority, USAGES } from './test-authority.ts';
