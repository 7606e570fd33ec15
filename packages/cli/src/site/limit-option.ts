import { Option } from 'commander';
import { parseCount } from '../parse-count.ts';

/** `--limit` of lists that are shown whole unless told. */
export const limitOption = (): Option => new Option('--limit <count>', 'rows at most (default: all)').argParser(parseCount);
