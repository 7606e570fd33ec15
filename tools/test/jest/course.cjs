const path = require('node:path');

/** How long ago. */
const seconds = (since) => `${Math.round((performance.now() - since) / 1000)} s`;

/** What jest tells of itself (tell.cjs), and what can be said of it at its end. */
class Course {
  constructor(root) {
    this.root = root;
    this.since = performance.now();
    this.last = this.since;
    this.hasBegun = false;
    this.running = new Map();
    this.ended = [];
  }

  take({ run, begun, ended }) {
    this.last = performance.now();
    if (run !== undefined) this.hasBegun = true;
    if (begun !== undefined) this.running.set(path.relative(this.root, begun), this.last);
    if (ended === undefined) return;
    this.running.delete(path.relative(this.root, ended));
    this.ended.push(path.relative(this.root, ended));
  }

  /** Files that run longer than `limit`; `jest` itself when it does nothing for `silence`. */
  late(limit, silence) {
    const now = performance.now();
    if (this.running.size === 0) return now - this.last > silence ? [['jest', this.last]] : [];
    return [...this.running].filter(([, since]) => now - since > limit);
  }

  get files() {
    return this.running.size === 0 ? 'jest' : [...this.running.keys()].join(', ');
  }

  toString() {
    const running = [...this.running].map(([file, since]) => `${file} (for ${seconds(since)})`);
    const during =
      running.length > 0 ? `while it ran ${running.join(', ')}` : this.hasBegun ? 'while it ran no file' : 'before its first file';
    const before = this.ended.length > 0 ? `; ${this.ended.length} files had ended before, the last ${this.ended.at(-1)}` : '';
    return `after ${seconds(this.since)}, ${during}${before}`;
  }
}

/** Why the run counts as failed, although no test of it says so; undefined when it does not. */
const deathOf = (status, signal, course, results) => {
  if (signal !== null) return `jest was ended by ${signal}`;
  if (results === undefined) return course.hasBegun || status !== 0 ? `jest ended with status ${status} and without results` : undefined;
  return status !== 0 && results.every((test) => test.status !== 'failed')
    ? `jest ended with status ${status} though no test failed`
    : undefined;
};

module.exports = { Course, deathOf, seconds };
