import { VERSION } from '@holdfast/daemon';
import { Command } from 'commander';
import { type OutputOptions, outputOption, writeAnswer } from './output/answer.ts';
import type { Surroundings } from './surroundings.ts';

export const versionCommand = (surroundings: Surroundings): Command =>
  new Command('version')
    .description('tell which version this is')
    .addOption(outputOption())
    .action((options: OutputOptions) =>
      writeAnswer(surroundings, options, {
        data: { version: VERSION, node: process.versions.node, platform: `${process.platform}-${process.arch}` },
        people: [{ line: `holdfast ${VERSION} (node ${process.versions.node}, ${process.platform}-${process.arch})` }],
      }),
    );
