import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { tuneMemory } from '@holdfast/daemon';
import { HoldfastError } from '@holdfast/errors';
import { parseCommandLine, runMain } from '../setup/command-line.ts';
import { ensureTools } from '../setup/ensure-tools.ts';
import { loadRegistry, pick } from '../setup/registry.ts';
import type { Bench } from './bench.ts';
import { describeMachine } from './machine.ts';
import { formatTable } from './table.ts';

const HELP = `Usage: npm run bench -- NAME [--only PART]… [--output table|json]      (npm run bench -- --list shows the names)

Measures NAME against something else on this machine: in turns, at least five pairs. value is the median of ours, ratio the median of
ours / theirs, spread the least and greatest ratio (or value, where there is nothing to compare with), goal the floor asked for, stretch
what we are after. MB and GB are powers of ten. --only measures a part of what NAME does. With --output json: {bench, machine, rows} on stdout
(npm run --silent keeps npm's own lines out of it).
Exit status: 0; 1 when a goal was missed.`;

const PAIRS = 5;

// As every program of ours does.
tuneMemory();

await runMain(async (args) => {
  const { values, positionals } = parseCommandLine({
    args,
    allowPositionals: true,
    options: {
      output: { type: 'string', default: 'table' },
      only: { type: 'string', multiple: true },
      list: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  });
  const benches = await loadRegistry<Bench>(path.join(import.meta.dirname, 'benches'), 'bench');
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  if (values.list) {
    for (const { name, about, parts = [] } of benches.values())
      console.log(`${name.padEnd(12)} ${about}${parts.length === 0 ? '' : ` (parts: ${parts.join(', ')})`}`);
    return 0;
  }
  const [name, ...more] = positionals;
  if (name === undefined || more.length > 0) {
    throw new HoldfastError('SETTING_INVALID', { thing: 'bench', why: 'exactly one name is needed', remedy: 'see --list' });
  }
  const bench = pick(benches, name, 'bench');
  const { output, only } = values;
  if (output !== 'table' && output !== 'json')
    throw new HoldfastError('SETTING_INVALID', { thing: '--output', why: `there is no ${output}`, remedy: 'table or json' });
  const unknown = only?.find((part) => bench.parts?.includes(part) !== true);
  if (unknown !== undefined)
    throw new HoldfastError('SETTING_INVALID', { thing: '--only', why: `${name} has no part ${unknown}`, remedy: 'see --list' });
  const note = (line: string) => console.error(line);
  await ensureTools(bench.tools, { print: note });

  const machine = describeMachine();
  const directory = await mkdtemp(path.join(tmpdir(), `holdfast-bench-${name}-`));
  try {
    const rows = await bench.run({ pairs: PAIRS, directory, note, wants: (part) => only?.includes(part) ?? true });
    if (output === 'json') {
      console.log(JSON.stringify({ bench: name, machine, rows }, null, 2));
    } else {
      const { cpu, cores, memoryGB, system, node, load } = machine;
      console.log(`${bench.about}\n${cpu}, ${cores} cores, ${memoryGB} GB; ${system}; node ${node}; load ${load.toFixed(1)}\n`);
      console.log(formatTable(rows));
    }
    return rows.some(({ met }) => met === 'missed') ? 1 : 0;
  } finally {
    await rm(directory, { recursive: true });
  }
});
