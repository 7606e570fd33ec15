/** One panel of the board: what is asked, of whom. */
interface Panel {
  readonly title: string;
  readonly description: string;
  /** Queries in PromQL, with the legend of each. */
  readonly queries: readonly (readonly [expression: string, legend: string])[];
  readonly unit: string;
  readonly kind?: 'timeseries' | 'stat' | 'bargauge';
  /** From which values on it is a matter of concern: the defaults of the alerts. */
  readonly thresholds?: readonly [warning: number, critical: number];
  /** Of 24. */
  readonly width?: number;
}

interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

const MINUTE = 60;

/** Everything on the board. Figures of machines and process servers come from the configuration server, so that one place is scraped for them. */
export const ROWS: readonly Row[] = [
  {
    title: 'How safe everything is',
    panels: [
      {
        title: 'RPO by machine',
        description: 'Age of the newest state that is safe. The thresholds are those of the default policy (15 min, four times that).',
        queries: [['holdfast_machine_rpo_seconds', '{{machine}}']],
        unit: 's',
        thresholds: [15 * MINUTE, MINUTE * MINUTE],
        width: 12,
      },
      {
        title: 'Alerts',
        description: 'What is not well now.',
        queries: [['sum by (severity, code) (holdfast_alerts)', '{{severity}} {{code}}']],
        unit: 'none',
        width: 6,
      },
      {
        title: 'Connected',
        description: 'Machines and servers with a control stream.',
        queries: [
          ['holdfast_machines_connected', 'machines'],
          ['holdfast_servers_connected', 'servers'],
        ],
        unit: 'none',
        kind: 'stat',
        width: 3,
      },
      {
        title: 'Without a server',
        description: 'How long agents reach no process server; after balance.reassign-after they are given another.',
        queries: [['max(holdfast_machine_without_server_seconds)', 'longest']],
        unit: 's',
        kind: 'stat',
        thresholds: [MINUTE, 5 * MINUTE],
        width: 3,
      },
    ],
  },
  {
    title: 'What is pending, and where',
    panels: [
      {
        title: 'At the source',
        description: 'Bytes of disk in cuts that are on no process server yet.',
        queries: [['holdfast_machine_source_bytes', '{{machine}}']],
        unit: 'bytes',
      },
      {
        title: 'In the journals of process servers',
        description: 'Bytes that were received and are not durable.',
        queries: [['holdfast_server_pending_bytes', '{{server}}']],
        unit: 'bytes',
      },
      {
        title: 'On the way into the store',
        description: 'Of these, bytes that are being uploaded.',
        queries: [['holdfast_server_uploading_bytes', '{{server}}']],
        unit: 'bytes',
      },
    ],
  },
  {
    title: 'Machines',
    panels: [
      {
        title: 'Churn',
        description: 'What changes on disks, and what is sent of it.',
        queries: [
          ['holdfast_machine_changed_bytes_per_second', '{{machine}} changed'],
          ['holdfast_machine_sent_bytes_per_second', '{{machine}} sent'],
        ],
        unit: 'Bps',
        width: 12,
      },
      {
        title: 'Churn histogram',
        description: 'Seconds since agents started in which less than so many MB changed a second (and not less than the bound before).',
        queries: [['sum by (below) (holdfast_machine_churn_seconds)', '< {{below}} MB/s']],
        unit: 's',
        kind: 'bargauge',
        width: 6,
      },
      {
        title: 'Logs of agents',
        description: 'Bytes in the logs of agents that are not durable.',
        queries: [['holdfast_machine_pending_bytes', '{{machine}}']],
        unit: 'bytes',
        width: 6,
      },
    ],
  },
  {
    title: 'Process servers',
    panels: [
      {
        title: 'Journal',
        description: 'Used part of the journal: agents are slowed down from 80 %.',
        queries: [['holdfast_server_journal_used_bytes / holdfast_server_journal_quota_bytes', '{{server}}']],
        unit: 'percentunit',
        thresholds: [0.7, 0.75],
        width: 6,
      },
      {
        title: 'Backlog',
        description: 'Time the oldest of what was received waits for its vault.',
        queries: [['holdfast_server_backlog_seconds', '{{server}}']],
        unit: 's',
        thresholds: [30 * MINUTE, 45 * MINUTE],
        width: 6,
      },
      {
        title: 'Processors',
        description: 'What the program uses; 1 is one processor.',
        queries: [['holdfast_server_cpu_share', '{{server}}']],
        unit: 'none',
        width: 6,
      },
      {
        title: 'Memory of the machine',
        description: 'Used part.',
        queries: [['holdfast_server_memory_used_ratio', '{{server}}']],
        unit: 'percentunit',
        thresholds: [0.8, 0.95],
        width: 6,
      },
      {
        title: 'Received and durable',
        description: 'Scraped from the process servers themselves.',
        queries: [
          ['rate(holdfast_received_bytes_total[1m])', '{{instance}} received'],
          ['rate(holdfast_durable_bytes_total[1m])', '{{instance}} durable'],
        ],
        unit: 'Bps',
        width: 12,
      },
      {
        title: 'Slowest machines',
        description: 'The ten whose oldest cut waits longest for its vault.',
        queries: [['topk(10, holdfast_backlog_seconds)', '{{machine}}']],
        unit: 's',
        thresholds: [30 * MINUTE, 45 * MINUTE],
        width: 6,
      },
      {
        title: 'Keepers',
        description: 'Compactions, points thinned, and objects found damaged.',
        queries: [
          ['rate(holdfast_keeper_compactions_total[1h]) * 3600', '{{instance}} compactions an hour'],
          ['rate(holdfast_keeper_thinned_points_total[1h]) * 3600', '{{instance}} points thinned an hour'],
          ['holdfast_keeper_damaged_objects', '{{instance}} damaged objects'],
        ],
        unit: 'none',
        width: 6,
      },
    ],
  },
];

/** Names of metrics in a query. */
export const metricsOf = (expression: string): readonly string[] => expression.match(/\bholdfast_[a-z_]+/g) ?? [];

/** All metrics the board asks for. */
export const boardMetrics = (): readonly string[] => [
  ...new Set(ROWS.flatMap(({ panels }) => panels.flatMap(({ queries }) => queries.flatMap(([expression]) => metricsOf(expression))))),
];

// Grafana's own placeholder, not one of this language.
const DATASOURCE = { type: 'prometheus', uid: ['$', '{datasource}'].join('') };
const COLUMNS = 24;
const HEIGHT = 8;

const panelJson = ({ title, description, queries, unit, kind = 'timeseries', thresholds }: Panel, id: number, place: object) => ({
  id,
  type: kind,
  title,
  description,
  datasource: DATASOURCE,
  gridPos: place,
  fieldConfig: {
    defaults: {
      unit,
      ...(thresholds === undefined
        ? {}
        : {
            custom: kind === 'timeseries' ? { thresholdsStyle: { mode: 'line' } } : {},
            thresholds: {
              mode: 'absolute',
              steps: [
                { color: 'green', value: null },
                { color: 'orange', value: thresholds[0] },
                { color: 'red', value: thresholds[1] },
              ],
            },
          }),
    },
    overrides: [],
  },
  targets: queries.map(([expr, legendFormat], index) => ({
    refId: String.fromCharCode(65 + index),
    datasource: DATASOURCE,
    expr,
    legendFormat,
  })),
});

/** The board as Grafana imports it. */
export const boardJson = (): string => {
  const panels: object[] = [];
  let y = 0;
  for (const { title, panels: own } of ROWS) {
    panels.push({ id: panels.length + 1, type: 'row', title, collapsed: false, gridPos: { x: 0, y, w: COLUMNS, h: 1 }, panels: [] });
    y += 1;
    let x = 0;
    for (const panel of own) {
      const w = panel.width ?? 8;
      if (x + w > COLUMNS) {
        x = 0;
        y += HEIGHT;
      }
      panels.push(panelJson(panel, panels.length + 1, { x, y, w, h: HEIGHT }));
      x += w;
    }
    y += HEIGHT;
  }
  const board = {
    uid: 'holdfast',
    title: 'Holdfast',
    tags: ['holdfast'],
    schemaVersion: 39,
    refresh: '10s',
    time: { from: 'now-6h', to: 'now' },
    templating: { list: [{ name: 'datasource', type: 'datasource', query: 'prometheus', label: 'Data source' }] },
    panels,
  };
  return `${JSON.stringify(board, null, 2)}\n`;
};
