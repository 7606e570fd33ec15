import {
  holdServerControl,
  joinCommand,
  memberSettings,
  openMembership,
  readHardwareIdentity,
  runProgram,
  VERSION,
} from '@holdfast/daemon';

/** Joins and connects as a process server does, and does nothing else: what the local process server of specs is. */
await runProgram({
  name: 'holdfast-process-server',
  summary: 'Is run by specs.',
  version: VERSION,
  httpPort: 0,
  settings: memberSettings,
  commands: { join: joinCommand({ role: 'process-server', endpoints: () => ['127.0.0.1:9443'] }) },
  async main({ settings, log, run, stateDirectory, version }) {
    const hardware = await readHardwareIdentity({ file: settings.identity.hardwareFile });
    const membership = await openMembership({ directory: stateDirectory, role: 'process-server', hardware, log });
    const control = holdServerControl({
      membership,
      version,
      log,
      hello: () => ({ endpoints: ['127.0.0.1:9443'], vaults: ['office'] }),
      onState: ({ revision }) => control.report({ revision }),
    });
    run('renewal', membership.keepRenewed);
    run('control', control.run);
  },
});
