import type { DescMethod } from '@bufbuild/protobuf';
import type { Interceptor } from '@connectrpc/connect';
import { accesses, users } from '../records/kinds.ts';
import type { Notifier } from '../state/notifier.ts';
import type { StateStore } from '../state/state-store.ts';
import { requireAccess } from './access.ts';
import { CALLER, type Person } from './caller.ts';
import { personNow } from './identify.ts';

/** Longest wait a timer of Node can do. */
const LONGEST_WAIT = 2 ** 31 - 1;

interface Parts {
  readonly store: StateStore;
  readonly notifier: Notifier;
}

/** The same messages, until whoever asked for them may do so no more. */
async function* guarded<T>(messages: AsyncIterable<T>, person: Person, method: DescMethod, { store, notifier }: Parts): AsyncIterable<T> {
  let failure: { readonly reason: unknown } | undefined;
  let wake: () => void = () => undefined;
  const look = (): void => {
    personNow(store, person.access)
      .then((now) => requireAccess(method, { kind: 'person', person: now }))
      .catch((reason: unknown) => {
        failure ??= { reason };
        wake();
      });
  };
  const keys = [accesses.key(person.access), ...(person.userId === undefined ? [] : [users.key(person.userId)])];
  const forget = notifier.subscribe(keys, look);
  const timer = setTimeout(look, Math.min(LONGEST_WAIT, Math.max(0, (person.expires ?? Number.MAX_SAFE_INTEGER) - Date.now()) + 1));
  const iterator = messages[Symbol.asyncIterator]();
  try {
    look();
    for (;;) {
      const next = await new Promise<IteratorResult<T>>((resolve, reject) => {
        wake = () => reject(failure?.reason);
        if (failure !== undefined) wake();
        else iterator.next().then(resolve, reject);
      });
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    clearTimeout(timer);
    forget();
    // What is still under way in there ends with the call.
    void iterator.return?.(undefined)?.catch(() => undefined);
  }
}

/** Ends the streams of people and tools when their token ends or is taken away, and when they may do less than the call takes. */
export const endWithAccess =
  (parts: Parts): Interceptor =>
  (next) =>
  async (request) => {
    const caller = request.contextValues.get(CALLER);
    const response = await next(request);
    if (!response.stream || caller.kind !== 'person') return response;
    return { ...response, message: guarded(response.message, caller.person, request.method, parts) };
  };
