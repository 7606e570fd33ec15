/**
 * Writes what one jest run of one project found to PROJECT/.results/test.json or live.json, where tools/test counts it.
 * The file is an output of the nx target, so a run answered from the cache is counted with the results of the run that filled it.
 */
const fs = require('node:fs');
const path = require('node:path');

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
  constructor(config, { project, live }) {
    this.root = config.rootDir;
    this.project = project;
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
    const directory = path.join(this.root, '.results');
    fs.mkdirSync(directory, { recursive: true });
    const content = { project: this.project, kind: this.kind, startedAt: this.startedAt, finishedAt: Date.now(), tests };
    fs.writeFileSync(path.join(directory, `${this.kind}.json`), `${JSON.stringify(content, null, 1)}\n`);
  }

  /** Makes jest exit with 1 although no test failed. */
  getLastError() {
    return this.error;
  }
};
