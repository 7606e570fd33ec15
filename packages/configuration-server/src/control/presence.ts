import type { AgentHello, AgentReport, ServerHello, ServerReport } from '@holdfast/protocol';

/** What is known of a member while the program runs; nothing of it is stored. */
export interface Known<H, R> {
  readonly connected: boolean;
  /** Milliseconds since 1970. */
  readonly lastSeen: number;
  readonly hello: H;
  readonly report: R | undefined;
  /** Revision of the state that the newest desired state was computed from, and the one it was sent under. */
  readonly computed: number;
  readonly sent: number;
}

/** A member's stream, from its hello to its end. */
export interface Session<H, R> {
  /** What it said of itself at the beginning is otherwise now. */
  greeted(hello: H): void;
  reported(report: R): void;
  /** The desired state of `computed` is what was sent under `sent`. */
  told(computed: number, sent: number): void;
  /** Gives false when a newer stream of the same member has taken over. */
  close(): boolean;
}

/** Who is connected, and how they are. */
export interface Presence<H, R> {
  get(id: string): Known<H, R> | undefined;
  /** Ids of the connected. */
  connected(): readonly string[];
  /** A stream begins; an older one of the same member is ended by its `replace`. */
  open(id: string, hello: H, replace: () => void): Session<H, R>;
  /** Calls `listener` after each change of what is known of `id`. */
  subscribe(id: string, listener: () => void): () => void;
  /** The member does not exist any more; that its certificate was revoked ends its stream. */
  forget(id: string): void;
}

export type AgentPresence = Presence<AgentHello, AgentReport>;
export type ServerPresence = Presence<ServerHello, ServerReport>;

/** True when the member has in force what was wanted of it at `revision`. */
export const hasInForce = (
  { connected, computed, sent, report }: Known<unknown, { readonly revision: bigint }>,
  revision: number,
): boolean => connected && computed >= revision && report !== undefined && report.revision >= BigInt(sent);

export const createPresence = <H, R>(): Presence<H, R> => {
  const all = new Map<string, Known<H, R>>();
  const streams = new Map<string, { readonly replace: () => void }>();
  const listeners = new Map<string, Set<() => void>>();

  const tell = (id: string): void => {
    for (const listener of [...(listeners.get(id) ?? [])]) listener();
  };

  const change = (id: string, part: Partial<Known<H, R>>): void => {
    const known = all.get(id);
    if (known === undefined) return;
    all.set(id, { ...known, ...part });
    tell(id);
  };

  return {
    get: (id) => all.get(id),
    connected: () => [...streams.keys()],
    open(id, hello, replace) {
      const stream = { replace };
      streams.get(id)?.replace();
      streams.set(id, stream);
      // Of a stream before this one nothing counts: what the member has in force it says anew.
      all.set(id, { connected: true, lastSeen: Date.now(), hello, report: undefined, computed: 0, sent: 0 });
      change(id, {});
      const own = (): boolean => streams.get(id) === stream;
      return {
        greeted: (next) => own() && change(id, { hello: next }),
        reported: (report) => own() && change(id, { report, lastSeen: Date.now() }),
        told: (computed, sent) => own() && change(id, { computed, sent }),
        close() {
          if (!own()) return false;
          streams.delete(id);
          change(id, { connected: false });
          return true;
        },
      };
    },
    subscribe(id, listener) {
      const there = listeners.get(id) ?? new Set();
      const own = (): void => listener();
      listeners.set(id, there.add(own));
      return () => {
        there.delete(own);
        if (there.size === 0 && listeners.get(id) === there) listeners.delete(id);
      };
    },
    forget(id) {
      streams.delete(id);
      all.delete(id);
      tell(id);
    },
  };
};
