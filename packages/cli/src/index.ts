export { type Answer, type OutputFormat, type Part, renderAnswer } from './output/answer.ts';
export { formatBytes, formatCount, formatRate, formatSeconds, formatTime, printable } from './output/format.ts';
export { createProgress, type Progress, type ProgressOptions } from './output/progress.ts';
export { createStatusLine, type StatusLine } from './output/status-line.ts';
export { type Cell, type Column, layOutTable, type TableOptions } from './output/table.ts';
export { runHoldfast } from './run.ts';
export type { OutputStream, Surroundings } from './surroundings.ts';
