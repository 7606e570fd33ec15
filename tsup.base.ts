import { defineConfig } from 'tsup';

/** A library package: ESM and CommonJS beside each other; types come from the sources. */
export const library = (entry: string[] | Record<string, string> = ['src/index.ts']) =>
  defineConfig({ entry, format: ['esm', 'cjs'], target: 'node24', sourcemap: true, clean: true, dts: false, silent: true });
