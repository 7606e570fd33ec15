/** A program for live specs: what it does is told by its settings. Lines it logs are what the specs look at. */
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { HoldfastError } from '@holdfast/errors';
import { duration, flag, list, oneOf, runProgram, secret, section, supervise, text, VERSION } from '../index.ts';

await runProgram({
  name: 'holdfast-example',
  summary: 'Is run by specs.',
  version: VERSION,
  httpPort: 0,
  settings: {
    example: section('What it does.', {
      startsIn: duration({ default: '0ms', min: '0ms', max: '1h', help: 'Time until it is ready' }),
      closesIn: duration({ default: '0ms', min: '0ms', max: '1h', help: 'Time its resource takes to close' }),
      fails: oneOf(['never', 'starting', 'working', 'defect', 'soon'], { default: 'never', help: 'When it fails' }),
      live: flag({ default: true, help: 'Whether it says that it lives' }),
      token: secret({ optional: true, help: 'Something to hide' }),
      children: list(text({ help: 'A child' }), { help: 'Flags of children to supervise, each NAME=FLAG' }),
    }),
  },
  async main({ settings: { example }, log, health, onStop, run, status, stopping, stateDirectory }) {
    log.info('main', { stateDirectory, example });
    if (example.fails === 'starting')
      throw new HoldfastError('NO_PERMISSION', { thing: 'example', why: 'it was asked to', remedy: 'ask otherwise' });
    onStop('outer', () => log.info('outer closed'));
    onStop('inner', async () => {
      await sleep(example.closesIn);
      log.info('inner closed');
    });
    run('worker', async (stopping) => {
      if (example.fails === 'working')
        throw new HoldfastError('FENCED', { thing: 'example', why: 'it was asked to', remedy: 'ask otherwise' });
      if (!stopping.aborted) await once(stopping, 'abort');
      log.info('worker ended');
    });
    health.check('life', () => (example.live ? undefined : 'it says so'), { tells: 'live' });
    status('waiting\nfor work');
    await sleep(example.startsIn);
    if (example.fails === 'defect') setImmediate(() => (undefined as unknown as { x(): void }).x());
    if (example.fails === 'soon') setTimeout(() => process.exit(9), 200);
    if (example.children.length > 0) {
      const programs = example.children.map((child) => {
        const [name = '', ...flags] = child.split(' ');
        return {
          name,
          command: process.execPath,
          arguments: [...process.execArgv, process.argv[1]!, '--state.directory', `${stateDirectory}/${name}`, ...flags],
        };
      });
      const { states } = await supervise({ log, health, run, stopping }, programs);
      log.info('supervising', { states: states() });
    }
  },
});
