import { EventEmitter } from 'node:events';
import { formatRecoveryKit, type RecoveryKit } from '../vault/recovery-kit.ts';
import { askSecret, type Keyboard } from './ask-secret.ts';
import { slotIn } from './kit-slot.ts';
import { keyIn } from './vault-key.ts';

class TestKeyboard extends EventEmitter implements Keyboard {
  raw = false;
  setRawMode(raw: boolean): void {
    this.raw = raw;
  }
  setEncoding(): void {}
  resume(): void {}
  pause(): void {}
}

describe('asking for a secret', () => {
  const ask = () => {
    const keyboard = new TestKeyboard();
    const shown: string[] = [];
    const answer = askSecret(keyboard, { write: (text) => shown.push(text) }, 'Passphrase');
    return { keyboard, shown, answer };
  };

  it('shows its question when nothing typed is shown any more', async () => {
    const keyboard = new TestKeyboard();
    const silent: boolean[] = [];
    const answer = askSecret(keyboard, { write: () => silent.push(keyboard.raw) }, 'Passphrase');
    expect(silent).toEqual([true]);
    keyboard.emit('data', '\r');
    expect(await answer).toBe('');
  });

  it('takes a line with corrections and shows nothing of it', async () => {
    const { keyboard, shown, answer } = ask();
    expect(keyboard.raw).toBe(true);
    for (const typed of ['s', 'ecx', '\u007f', 'ret ü', '\r']) keyboard.emit('data', typed);
    expect(await answer).toBe('secret ü');
    expect(shown.join('')).toBe('Passphrase: \n');
    expect(keyboard.raw).toBe(false);
    expect(keyboard.listenerCount('data')).toBe(0);
  });

  it('ends by Ctrl-C', async () => {
    const { keyboard, answer } = ask();
    keyboard.emit('data', 'abc\u0003');
    await expect(answer).rejects.toMatchObject({ code: 'INTERRUPTED' });
    expect(keyboard.raw).toBe(false);
  });
});

describe('a key', () => {
  const LINE = 'holdfast-key-1:0707070707070707070707070707070707070707070707070707070707070707:4bb06f8e';
  const KIT: RecoveryKit = {
    vaultUrl: 'file:/v',
    vaultId: '0'.repeat(32),
    vaultName: 'v',
    created: 0,
    fingerprint: 'ab'.repeat(16),
    key: { line: LINE },
    slot: Buffer.from(Array.from({ length: 208 }, (_, at) => at)),
  };

  it('is not all that a container needs, which its kit says', () => {
    const vaultUrl = 'azure:https://acme.blob.core.windows.net/vaults';
    const kit = formatRecoveryKit({ ...KIT, vaultUrl });
    expect(kit).toContain('AZURE_STORAGE_KEY');
  });

  it('is found in a recovery kit, and a mistyped digit too', () => {
    const kit = formatRecoveryKit(KIT);
    expect(keyIn(kit, 'kit')).toEqual({ kind: 'key-file', secret: Buffer.alloc(32, 7) });
    expect(() => keyIn(kit.replace(':07', ':08'), 'kit')).toThrow(/\[DAMAGED\] kit: its checksum is wrong/);
    expect(kit).not.toContain('AZURE');
    expect(() => keyIn('nothing of the kind', 'notes')).toThrow('[DAMAGED] notes');
  });

  it('has its slot on the kit in lines, each of which tells a mistyped digit', () => {
    const kit = formatRecoveryKit({ ...KIT, key: { passphraseFrom: 'the keyboard' } });
    expect(slotIn(kit, 'kit')).toEqual(KIT.slot);
    expect(slotIn(kit.replaceAll('\n', '\r\n').toUpperCase(), 'kit')).toEqual(KIT.slot);
    expect(slotIn('no such line', 'notes')).toBeUndefined();
    const line = /^.*holdfast-slot-3.*$/m.exec(kit)![0];
    expect(() => slotIn(kit.replace(line, line.replace(':4041', ':4042')), 'kit')).toThrow(
      /\[DAMAGED\] kit: the checksum of line holdfast-slot-3\/7/,
    );
    expect(() => slotIn(kit.replace(line, ''), 'kit')).toThrow(/line 3 of 7 .* is missing/);
  });
});
