// Runs `holdfast` in this process, with stores in memory and nothing of the real world.
import { createHash } from 'node:crypto';
import { createMemoryStore, type ObjectStore } from '@holdfast/object-store';
import type { RemoteKey } from '@holdfast/vault';
import { runHoldfast } from '../run.ts';
import type { Surroundings } from '../surroundings.ts';
import { SAMPLE_START } from './sample-vault.ts';

export interface CommandResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface TestWorld {
  /** The store behind every `memory:…` URL; `memory:tiers…` has tiers. */
  store(url: string): ObjectStore;
  run(args: readonly string[], changes?: Partial<Surroundings>): Promise<CommandResult>;
}

/** Stands for a key in a key vault: it wraps under what is made of its name. */
class MemoryKey implements RemoteKey {
  readonly id: string;
  constructor(id: string) {
    this.id = id;
  }
  async wrap(secret: Uint8Array): Promise<{ version: string; wrapped: Uint8Array }> {
    return { version: 'v1', wrapped: await this.unwrap('v1', secret) };
  }
  async unwrap(_: string, wrapped: Uint8Array): Promise<Uint8Array> {
    const pad = createHash('sha256').update(this.id).digest();
    return wrapped.map((byte, at) => byte ^ pad[at]!);
  }
}

export const createTestWorld = (): TestWorld => {
  const stores = new Map<string, ObjectStore>();
  const store = (url: string): ObjectStore => {
    const known = stores.get(url);
    if (known !== undefined) return known;
    const made = createMemoryStore({ tiers: url.startsWith('memory:tiers') });
    // A command closes what it opened; the content has to stay for the next.
    const lasting = Object.assign(Object.create(made) as ObjectStore, { close: async () => {} });
    for (const method of ['create', 'read', 'stat', 'list', 'delete'] as const)
      Object.assign(lasting, { [method]: made[method].bind(made) });
    stores.set(url, lasting);
    return lasting;
  };
  return {
    store,
    run: async (args, changes = {}) => {
      const stdout: string[] = [];
      const stderr: string[] = [];
      const status = await runHoldfast(args, {
        stdout: { write: (text) => stdout.push(text) },
        stderr: { write: (text) => stderr.push(text) },
        environment: {},
        stop: new AbortController().signal,
        now: () => SAMPLE_START + 3_600_000,
        openStore: async (url) => store(url),
        openKeyVault: (url) => new MemoryKey(url),
        ...changes,
      });
      return { status, stdout: stdout.join(''), stderr: stderr.join('') };
    },
  };
};
