/** A member of an installation for live specs: says what its membership and its control stream do. */
import { holdServerControl, joinCommand, memberSettings, openMembership, readHardwareIdentity, runProgram, VERSION } from '../index.ts';

await runProgram({
  name: 'holdfast-example-member',
  summary: 'Is run by specs.',
  version: VERSION,
  httpPort: 0,
  settings: memberSettings,
  commands: { join: joinCommand({ role: 'process-server', endpoints: () => ['127.0.0.1:9443'] }) },
  async main({ settings: { identity, configurationServer }, log, health, metrics, run, stateDirectory, version }) {
    const hardware = await readHardwareIdentity({ file: identity.hardwareFile });
    const server = configurationServer.address;
    const membership = await openMembership({ directory: stateDirectory, role: 'process-server', hardware, log, health, metrics, server });
    membership.onRenewed(() => log.info('renewed', { key: membership.credentials.current().key.length }));
    run('renewal', membership.keepRenewed);
    const control = holdServerControl({
      membership,
      version,
      log,
      health,
      metrics,
      hello: () => ({ endpoints: ['127.0.0.1:9443'], vaults: ['main'] }),
      onState({ revision }) {
        log.info('state', { revision });
        control.report({ revision });
      },
    });
    run('control', control.run);
  },
});
