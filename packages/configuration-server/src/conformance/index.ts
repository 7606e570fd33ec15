export { describeStateStore, type StateStoreKind } from './describe-state-store.ts';
export { fillHistory, type HistoryToFill } from './fill-history.ts';
export { createTestClient, type TestClient } from './test-client.ts';
export { type AgentStream, connectAgent, connectServer, DISK, manifestOf, type ServerStream } from './test-member.ts';
export { enrolMember, type TestMember } from './test-server.ts';
