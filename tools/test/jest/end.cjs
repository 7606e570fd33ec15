/**
 * jest waits for ever for what a spec left open (a server, a child, a timer), and a run that never ends tells nothing. What is still there when all
 * tests are done and `GRACE` has gone by is named, and fails the run.
 */
const GRACE = 30_000;

module.exports = () => {
  const end = () => {
    console.error(`the tests are done, but these still keep the process alive: ${process.getActiveResourcesInfo().join(', ')}`);
    process.exit(1);
  };
  // It keeps nothing alive itself: a run that ends, ends before.
  setTimeout(end, GRACE).unref();
};
