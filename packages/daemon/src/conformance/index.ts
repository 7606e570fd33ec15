export { openTestContext, type TestContext, type TestContextOptions } from './test-context.ts';
export type { TestRoom, TestStream } from './test-room.ts';
export { openTestSite, type TestMember, type TestSite } from './test-site.ts';
