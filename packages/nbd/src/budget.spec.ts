import fc from 'fast-check';
import { createBudget } from './budget.ts';

test('never more requests or bytes are out than allowed, and everybody gets a turn', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 120 }), { maxLength: 40 }), fc.infiniteStream(fc.nat(5)), async (sizes, order) => {
      const budget = createBudget(4, 100);
      const out: number[] = [];
      for (const size of sizes) {
        let room = budget.take(size);
        while (room !== undefined && out.length > 0) {
          let here = false;
          void room.then(() => {
            here = true;
          });
          budget.give(out.splice((order.next().value as number) % out.length, 1)[0]!);
          await Promise.resolve();
          await Promise.resolve();
          if (here) room = undefined;
        }
        expect(room).toBeUndefined();
        out.push(size);
        expect(out.length).toBeLessThanOrEqual(4);
        if (out.length > 1) expect(out.reduce((a, b) => a + b, 0)).toBeLessThanOrEqual(100);
      }
      const idle = budget.idle();
      for (const size of out) budget.give(size);
      await idle;
    }),
  );
});
