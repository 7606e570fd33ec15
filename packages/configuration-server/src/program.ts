import { type Program, VERSION } from '@holdfast/daemon';
import { restoreCommand } from './backup/restore-command.ts';
import { rebuildCommand } from './rebuild/rebuild-command.ts';
import { type Settings, settings } from './settings.ts';

/** The program `holdfast-configuration-server`. */
export const program: Program<Settings> = {
  name: 'holdfast-configuration-server',
  summary: 'Steers an installation of Holdfast: who belongs to it, what is protected and how, what happens.',
  version: VERSION,
  settings,
  httpPort: 9466,
  commands: { restore: restoreCommand, rebuild: rebuildCommand },
  async main(context) {
    const { startServer } = await import('./start-server.ts');
    await startServer(context);
  },
};
