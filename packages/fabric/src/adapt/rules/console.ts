import type { PlanItem, Rule } from '../guest.ts';
import { kernelArguments, readBootConfigs, withKernelArguments } from '../inspect/kernel-arguments.ts';
import { readText, writeText } from '../tree/guest-tree.ts';

const SERIAL = ['console=tty0', 'console=ttyS0,115200n8'];
const WHY = 'the serial console is where its start can be watched, and where somebody can log in without a network';

/** Kernels tell what they do, and offer a login, on the first serial port. */
export const consoleRule: Rule = async ({ tree }) => {
  const items: PlanItem[] = [];
  const changed: string[] = [];
  let there = false;
  for (const config of await readBootConfigs(tree)) {
    if (config.effective && kernelArguments(config).some((args) => args.some(isSerial))) there = true;
    const text = withKernelArguments(config, (args) =>
      // An entry that holds variables alone gets them from another file that is looked at too.
      args.some(isSerial) || args.every((arg) => arg.startsWith('$')) ? args : [...args.filter((arg) => arg !== 'console=tty0'), ...SERIAL],
    );
    if (text === config.text) continue;
    await writeText(tree, config.path, text);
    changed.push(config.path);
  }
  if (changed.length > 0)
    items.push({
      area: 'console',
      kind: 'change',
      finding: 'kernels say nothing on the serial port',
      change: `${SERIAL.join(' ')} in ${changed.join(', ')}`,
      why: WHY,
    });
  else if (there) items.push({ area: 'console', kind: 'good', finding: 'kernels speak on the serial port', why: WHY });
  else items.push({ area: 'console', kind: 'left', finding: 'no file of a boot loader that is known', why: WHY });
  return [...items, ...(await inittabItems(tree))];
};

const isSerial = (arg: string): boolean => /^console=ttyS\d/.test(arg);

/** systemd offers a login on the console by itself, init of System V by its table. */
const inittabItems = async (tree: Parameters<Rule>[0]['tree']): Promise<PlanItem[]> => {
  const file = '/etc/inittab';
  const text = await readText(tree, file);
  if (text === undefined || !/^\w*:\d+:respawn:.*getty/m.test(text) || /^[^#\n]*ttyS0/m.test(text)) return [];
  await writeText(tree, file, `${text.replace(/\n*$/, '')}\nT0:2345:respawn:/sbin/getty -L ttyS0 115200 vt100\n`);
  return [{ area: 'console', kind: 'change', finding: `${file} offers no login on the serial port`, change: 'a line for ttyS0', why: WHY }];
};
