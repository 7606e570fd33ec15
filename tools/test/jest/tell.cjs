/** Tells run.cjs, which started this jest, what runs; jest called by hand has nobody to tell. */
const tell = (message) => {
  if (process.connected) process.send(message, () => undefined);
};

module.exports = class Tell {
  onRunStart() {
    if (!process.connected) return;
    // Nobody would end this process, nor the programs that specs started, if it hung: they are one group.
    process.once('disconnect', () => process.kill(-process.pid, 'SIGKILL'));
    process.channel.unref();
    tell({ run: 'begun' });
  }

  onTestFileStart({ path }) {
    tell({ begun: path });
  }

  onTestFileResult({ path }) {
    tell({ ended: path });
  }
};
