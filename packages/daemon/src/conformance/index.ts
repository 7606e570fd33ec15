export { openTestContext, type TestContext, type TestContextOptions } from './test-context.ts';
