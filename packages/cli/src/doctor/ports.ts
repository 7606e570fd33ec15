/** A port of Holdfast, as docs/operations.md lists it; all of them are settings. */
export interface Port {
  readonly port: number;
  readonly listens: string;
  /** Reached from other machines; else on 127.0.0.1 only. */
  readonly isPublic: boolean;
  /** The program that listens. */
  readonly program: Component;
}

export const COMPONENTS = ['agent', 'process-server', 'configuration-server'] as const;
export type Component = (typeof COMPONENTS)[number];

export const PORTS: readonly Port[] = [
  { port: 443, listens: 'configuration server', isPublic: true, program: 'configuration-server' },
  { port: 9443, listens: 'process server', isPublic: true, program: 'process-server' },
  { port: 9464, listens: 'agent, on 127.0.0.1', isPublic: false, program: 'agent' },
  { port: 9465, listens: 'process server, on 127.0.0.1', isPublic: false, program: 'process-server' },
  { port: 9466, listens: 'configuration server, on 127.0.0.1', isPublic: false, program: 'configuration-server' },
];

/** Where a program tells of its health unless its settings say otherwise. */
export const healthAddress = (program: Component): string =>
  `127.0.0.1:${PORTS.find((one) => one.program === program && !one.isPublic)!.port}`;
