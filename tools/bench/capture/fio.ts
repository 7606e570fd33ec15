import { runTool } from '../../lab/host/run-tool.ts';

export interface FioLoad {
  readonly device: string;
  readonly seconds: number;
  /** Writes under way at the same time. */
  readonly depth: number;
  /** Writes a second; as many as it can unless told. */
  readonly iops?: number;
  /** Writes each block once before any twice; otherwise at random. */
  readonly distinct?: boolean;
  /** Bytes of one write, or from least to most ("4k-64k"); 4k unless told. */
  readonly blockBytes?: string;
  /** Bytes a second; as many as it can unless told. */
  readonly rate?: number;
  /** Bytes of the disk it writes to; all of them unless told. */
  readonly size?: number;
  /** Ends it early. */
  readonly signal?: AbortSignal;
}

export interface FioResult {
  readonly iops: number;
  /** Nanoseconds from submission to completion that 99 of 100 writes stayed within. */
  readonly p99: number;
  readonly writes: number;
  readonly bytes: number;
}

interface FioOutput {
  readonly jobs: readonly {
    readonly write: {
      readonly iops: number;
      readonly total_ios: number;
      readonly io_bytes: number;
      readonly clat_ns: { readonly percentile?: Readonly<Record<string, number>> };
    };
  }[];
}

/** Random writes past the page cache, of content that compresses to about a half. */
export const runFio = async ({
  device,
  seconds,
  depth,
  iops,
  distinct = false,
  size,
  blockBytes = '4k-4k',
  rate,
  signal,
}: FioLoad): Promise<FioResult> => {
  const { stdout } = await runTool(
    'fio',
    [
      ...[
        '--name=load',
        `--filename=${device}`,
        '--rw=randwrite',
        `--bsrange=${blockBytes}`,
        '--direct=1',
        '--ioengine=libaio',
        `--iodepth=${depth}`,
      ],
      ...['--thread', '--time_based', `--runtime=${seconds}`, '--randrepeat=0', '--output-format=json'],
      ...['--refill_buffers', '--buffer_compress_percentage=50'],
      ...(iops === undefined ? [] : [`--rate_iops=${iops}`]),
      ...(rate === undefined ? [] : [`--rate=${rate}`]),
      ...(distinct ? [] : ['--norandommap']),
      ...(size === undefined ? [] : [`--size=${size}`]),
    ],
    { signal },
  );
  // fio says what it thinks of its settings before its JSON.
  const { jobs } = JSON.parse(stdout.slice(stdout.indexOf('{\n'))) as FioOutput;
  const { write } = jobs[0]!;
  return { iops: write.iops, writes: write.total_ios, bytes: write.io_bytes, p99: write.clat_ns.percentile?.['99.000000'] ?? 0 };
};
