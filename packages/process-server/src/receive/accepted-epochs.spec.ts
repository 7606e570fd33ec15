import { idBytes, idText, newId } from '@holdfast/protocol';
import { createAcceptedEpochs } from './accepted-epochs.ts';
import { unfitEpochs } from './check-cut.ts';

const [disk, old, young] = [newId(), newId(), newId()].map((id) => idBytes(id)) as [Uint8Array, Uint8Array, Uint8Array];
const epoch = (number: number, generationId = young) => ({ diskId: disk, generationId, number: BigInt(number) });

describe('the newest epoch of a disk', () => {
  it('is not an older one that is offered once more: the next new one still follows', () => {
    const accepted = createAcceptedEpochs(new Map([[idText(disk), { generationId: idText(young), number: 7 }]]), new Map());
    for (const again of [5, 6]) {
      expect(unfitEpochs({ epochs: [epoch(again)] }, accepted)).toEqual([]);
      accepted.take([epoch(again)]);
    }
    expect(unfitEpochs({ epochs: [epoch(8)] }, accepted)).toEqual([]);
    expect(unfitEpochs({ epochs: [epoch(9)] }, accepted)).toHaveLength(1);
    accepted.take([epoch(8)]);
    expect(accepted.of(idText(disk))).toEqual({ generationId: idText(young), number: 8 });
  });

  it('is the first of a new generation, whatever the one before came to', () => {
    const accepted = createAcceptedEpochs(new Map([[idText(disk), { generationId: idText(old), number: 900 }]]), new Map());
    accepted.take([epoch(0)]);
    expect(accepted.of(idText(disk))).toEqual({ generationId: idText(young), number: 0 });
  });

  it('is not one of a generation that has ended, however long ago it became durable', () => {
    const log = new Map([
      [idText(old), 901],
      [idText(young), 8],
    ]);
    const accepted = createAcceptedEpochs(new Map([[idText(disk), { generationId: idText(young), number: 7 }]]), log);
    const offered = [epoch(0, old), epoch(900, old), epoch(0), epoch(7)];
    for (const again of offered) {
      expect(unfitEpochs({ epochs: [again] }, accepted)).toEqual([]);
      accepted.take([again]);
      expect(accepted.of(idText(disk))).toEqual({ generationId: idText(young), number: 7 });
    }
    expect(unfitEpochs({ epochs: [epoch(8)] }, accepted)).toEqual([]);
    // What the log has not cannot follow any more.
    expect(unfitEpochs({ epochs: [epoch(901, old)] }, accepted)).toHaveLength(1);
    expect(unfitEpochs({ epochs: [epoch(9)] }, accepted)).toHaveLength(1);
  });
});
