export type { Answer, Part } from './output/answer.ts';
export { formatBytes, formatCount, formatRate, formatSeconds, printable } from './output/format.ts';
export type { Progress } from './output/progress.ts';
export type { Column } from './output/table.ts';
export { runHoldfast } from './run.ts';
export type { OutputStream, Surroundings } from './surroundings.ts';
