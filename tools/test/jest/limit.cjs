/**
 * A spec that never gives its turn away (a loop over promises that are settled already) stops jest's own timeouts too, and with them the run. So a thread
 * of its own looks how long each file takes, and ends the run by force when one takes longer than `limit` milliseconds, after it has told which: on stderr,
 * and as the only result of the project.
 */
const path = require('node:path');
const { Worker } = require('node:worker_threads');

module.exports = class Limit {
  constructor({ rootDir }, { limit, project, kind }) {
    this.data = { limit, project, kind, root: rootDir };
  }

  onRunStart() {
    this.thread = new Worker(path.join(__dirname, 'limit-thread.cjs'), { workerData: this.data });
    this.thread.unref();
  }

  onTestFileStart(test) {
    this.thread.postMessage({ begun: test.path });
  }

  onTestFileResult(test) {
    this.thread.postMessage({ ended: test.path });
  }

  async onRunComplete() {
    await this.thread.terminate();
  }
};
