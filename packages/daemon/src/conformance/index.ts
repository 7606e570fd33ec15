export { openTestContext, type TestContext, type TestContextOptions } from './test-context.ts';
export { openTestSite, type TestMember, type TestRoom, type TestSite, type TestStream } from './test-site.ts';
