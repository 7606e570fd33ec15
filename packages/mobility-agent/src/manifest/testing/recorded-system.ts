import type { SystemView } from '../system-view.ts';

/** A machine made of recorded files and answers of tools (by command line). */
export const recordedSystem = (files: Readonly<Record<string, string>>, answers: Readonly<Record<string, unknown>> = {}): SystemView => ({
  read: (path) => files[path],
  list: (path) => {
    const inside = Object.keys(files).filter((name) => name.startsWith(`${path}/`));
    return [...new Set(inside.map((name) => name.slice(path.length + 1).split('/')[0]!))].sort();
  },
  run: async (tool, ...args) => {
    const answer = answers[[tool, ...args].join(' ')];
    return typeof answer === 'string' || answer === undefined ? answer : JSON.stringify(answer);
  },
});
