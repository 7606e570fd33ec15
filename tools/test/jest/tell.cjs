/** Tells run.cjs, which started this jest, what runs; jest called by hand has nobody to tell. */
const tell = (message) => {
  if (process.connected) process.send(message, () => undefined);
};

module.exports = class Tell {
  onRunStart() {
    if (process.send === undefined) return;
    // Nobody would end this process, nor the programs that specs started, if it hung: they are one group.
    const orphaned = () => process.kill(-process.pid, 'SIGKILL');
    // It may have gone while jest was being loaded.
    if (!process.connected) orphaned();
    process.once('disconnect', orphaned);
    process.channel?.unref();
    tell({ run: 'begun' });
  }

  onTestFileStart({ path }) {
    tell({ begun: path });
  }

  onTestFileResult({ path }) {
    tell({ ended: path });
  }
};
