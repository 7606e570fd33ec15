import { create } from '@bufbuild/protobuf';
import { DigestRefusal, DigestsSchema, idBytes, newId } from '@holdfast/protocol';
import fc from 'fast-check';
import { createDigestQueries, type DigestRequest, type Query } from './digest-queries.ts';

const never = new AbortController().signal;
const diskId = newId();
const state = { generationId: newId(), number: 3 };
const request: DigestRequest = { diskId, state, orNewer: false, offset: 0, length: 8192, coarse: false };

const answerTo = (query: Query, change: object = {}) =>
  create(DigestsSchema, {
    id: query.id,
    state: { generationId: query.state!.generationId, number: query.state!.number },
    digests: new Uint8Array(32),
    diskSize: 8192n,
    ...change,
  });

describe('queries for digests', () => {
  it('wait for a stream, and are asked again on the next one when one ends before the answer', async () => {
    const queries = createDigestQueries();
    const first = queries.ask(request, never);
    const sent: Query[] = [];
    queries.opened(2, (query) => sent.push(query));
    expect(sent).toHaveLength(1);
    queries.ended();
    const second = queries.ask({ ...request, offset: 4096 }, never);
    expect(sent).toHaveLength(1);
    queries.opened(2, (query) => sent.push(query));
    expect(sent.map(({ offset }) => offset)).toEqual([0n, 0n, 4096n]);
    queries.answered(answerTo(sent[2]!));
    queries.answered(answerTo(sent[1]!, { digests: new Uint8Array(16) }));
    expect((await first) as object).toMatchObject({ digests: new Uint8Array(16), size: 8192, state });
    expect((await second) as object).toMatchObject({ digests: new Uint8Array(32) });
  });

  it('are never more than a few at a time', async () => {
    const queries = createDigestQueries();
    const sent: Query[] = [];
    queries.opened(2, (query) => sent.push(query));
    const asked = Array.from({ length: 20 }, () => queries.ask(request, never));
    for (let answered = 0; answered < 20; answered += 1) {
      expect(sent.length - answered).toBeLessThanOrEqual(8);
      queries.answered(answerTo(sent[answered]!));
      await asked[answered];
    }
  });

  it('end with the signal, by refusals, and at once where the server is too old', async () => {
    const queries = createDigestQueries();
    const controller = new AbortController();
    const given = queries.ask(request, controller.signal);
    controller.abort(new Error('enough'));
    await expect(given).rejects.toThrow('enough');
    const sent: Query[] = [];
    queries.opened(2, (query) => sent.push(query));
    expect(sent).toEqual([]);
    const refused = queries.ask(request, never);
    queries.answered(create(DigestsSchema, { id: sent[0]!.id, refusal: DigestRefusal.UNAVAILABLE, reason: 'broken' }));
    await expect(refused).rejects.toMatchObject({ code: 'DIGESTS_UNAVAILABLE', why: 'broken' });
    const early = queries.ask(request, never);
    queries.answered(create(DigestsSchema, { id: sent[1]!.id, refusal: DigestRefusal.NOT_DURABLE }));
    expect(await early).toBe('not durable');
    queries.ended();
    const old = queries.ask(request, never);
    queries.opened(1, (query) => sent.push(query));
    await expect(old).rejects.toMatchObject({ code: 'UNSUPPORTED_OPERATION' });
    expect(sent).toHaveLength(2);
  });

  it('take nothing for an answer that is none, whatever comes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          id: fc.nat(3),
          state: fc.option(
            fc.record({
              generationId: fc.constantFrom(idBytes(state.generationId), idBytes(newId()), new Uint8Array()),
              number: fc.bigInt(0n, 6n),
            }),
            { nil: undefined },
          ),
          digests: fc.uint8Array({ maxLength: 70 }),
          refusal: fc.nat(3),
        }),
        fc.boolean(),
        async (change, orNewer) => {
          const queries = createDigestQueries();
          queries.opened(2, () => undefined);
          const controller = new AbortController();
          const asked = queries.ask({ ...request, orNewer }, controller.signal).catch((reason: unknown) => reason);
          try {
            queries.answered(create(DigestsSchema, change as object));
          } catch (reason) {
            expect(reason).toMatchObject({ code: 'PROTOCOL_VIOLATION' });
          }
          controller.abort('over');
          const answer = await asked;
          if (answer === 'over' || answer === 'not durable' || answer instanceof Error) return;
          const { digests, state: of } = answer as { digests: Uint8Array; state: typeof state };
          expect([0, 16, 32]).toContain(digests.length);
          expect(of.generationId).toBe(state.generationId);
          expect(orNewer ? of.number >= 3 : of.number === 3).toBe(true);
        },
      ),
      { numRuns: 300 },
    );
  });
});
