/**
 * Writes what one jest run of one project found to PROJECT/.results/test.json or live.json, where tools/test counts it.
 * The file is an output of the nx target, so a run answered from the cache is counted with the results of the run that filled it.
 */
const path = require('node:path');
const { writeResults } = require('./results.cjs');

/** `it.unless(reason, …)` puts the reason into the title, see unless.ts. */
const SKIP_REASON = /\[skipped: ([^\]]+)\]/;

const describe = ({ fullName, status, failureMessages }, file) => {
  if (status === 'passed') return { status, name: fullName, file };
  if (status === 'failed') return { status, name: fullName, file, why: failureMessages.join('\n') };
  // pending (it.skip, it.only beside it), todo, disabled, skipped: not run.
  const reason = SKIP_REASON.exec(fullName)?.[1];
  const name = fullName.replace(SKIP_REASON, '').replaceAll(/ +/g, ' ').trim();
  if (reason === undefined) return { status: 'failed', name, file, why: 'not run, and without a reason: use it.unless(reason, …)' };
  return { status: 'skipped', name, file, why: reason };
};

module.exports = class ResultsReporter {
  constructor(config, { live }) {
    this.root = config.rootDir;
    this.kind = live ? 'live' : 'test';
    this.startedAt = Date.now();
    this.error = undefined;
  }

  onRunComplete(_contexts, results) {
    const tests = results.testResults.flatMap((suite) => {
      const file = path.relative(this.root, suite.testFilePath);
      if (suite.testExecError) return [{ status: 'failed', name: file, file, why: suite.failureMessage ?? 'the file could not be run' }];
      return suite.testResults.map((test) => describe(test, file));
    });
    const unexplained = tests.filter(({ status, why }) => status === 'failed' && why.startsWith('not run'));
    for (const { file, name, why } of unexplained) console.error(`${file}: ${name}: ${why}`);
    if (unexplained.length > 0) this.error = new Error('tests were left out without a reason');
    writeResults(this.root, this.kind, this.startedAt, tests);
  }

  /** Makes jest exit with 1 although no test failed. */
  getLastError() {
    return this.error;
  }
};
