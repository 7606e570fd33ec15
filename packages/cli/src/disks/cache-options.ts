import { parseBytes } from '@holdfast/daemon';
import { Option } from 'commander';
import type { ServeOptions } from './serve-disks.ts';

export interface CacheOptions {
  readonly cache?: string;
  readonly cacheSize?: number;
}

export const cacheOption = (): Option =>
  new Option('--cache <directory>', 'keeps what is read out of the vault there, encrypted, for later');

export const cacheSizeOption = (): Option =>
  new Option('--cache-size <bytes>', 'room for --cache, such as 20GiB; 4GiB unless told').argParser(parseBytes);

export const cacheOf = ({ cache, cacheSize }: CacheOptions): Pick<ServeOptions, 'cache'> =>
  cache === undefined ? {} : { cache: { directory: cache, ...(cacheSize !== undefined && { bytes: cacheSize }) } };
