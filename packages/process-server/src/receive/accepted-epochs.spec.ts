import { idBytes, idText, newId } from '@holdfast/protocol';
import { createAcceptedEpochs } from './accepted-epochs.ts';
import { unfitEpochs } from './check-cut.ts';

const [disk, old, young] = [newId(), newId(), newId()].map((id) => idBytes(id)) as [Uint8Array, Uint8Array, Uint8Array];
const epoch = (number: number, generationId = young) => ({ diskId: disk, generationId, number: BigInt(number) });

describe('the newest epoch of a disk', () => {
  it('is not an older one that is offered once more: the next new one still follows', () => {
    const accepted = createAcceptedEpochs(new Map([[idText(disk), { generationId: idText(young), number: 7 }]]));
    for (const again of [5, 6]) {
      expect(unfitEpochs({ epochs: [epoch(again)] }, accepted.of)).toEqual([]);
      accepted.take([epoch(again)]);
    }
    expect(unfitEpochs({ epochs: [epoch(8)] }, accepted.of)).toEqual([]);
    expect(unfitEpochs({ epochs: [epoch(9)] }, accepted.of)).toHaveLength(1);
    accepted.take([epoch(8)]);
    expect(accepted.of(idText(disk))).toEqual({ generationId: idText(young), number: 8 });
  });

  it('is the first of a new generation, whatever the one before came to', () => {
    const accepted = createAcceptedEpochs(new Map([[idText(disk), { generationId: idText(old), number: 900 }]]));
    accepted.take([epoch(0)]);
    expect(accepted.of(idText(disk))).toEqual({ generationId: idText(young), number: 0 });
  });
});
