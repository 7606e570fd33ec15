/** The file in which one jest run of one project leaves what it found, and where tools/test counts it: PROJECT/.results/test.json or live.json. */
const fs = require('node:fs');
const path = require('node:path');

const place = (root, kind) => path.join(root, '.results', `${kind}.json`);

/** `live` or `test`, as HOLDFAST_TESTS has it. */
const kindOf = (name) => (name === 'live' || name === 'long' ? 'live' : 'test');

/** Tests: `{ status, name, file, why? }`. */
const writeResults = (root, kind, startedAt, tests) => {
  const content = { project: path.basename(root), kind, startedAt, finishedAt: Date.now(), tests };
  fs.mkdirSync(path.dirname(place(root, kind)), { recursive: true });
  fs.writeFileSync(place(root, kind), `${JSON.stringify(content, null, 1)}\n`);
};

/** Tests that a run left, or undefined where it left none. */
const readResults = (root, kind) => {
  try {
    return JSON.parse(fs.readFileSync(place(root, kind), 'utf8')).tests;
  } catch {
    return undefined;
  }
};

const removeResults = (root, kind) => fs.rmSync(place(root, kind), { force: true });

module.exports = { kindOf, readResults, removeResults, writeResults };
