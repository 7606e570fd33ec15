// A key that stays with a service, in this process: RSA-OAEP-256 as Azure Key Vault does it.
import { constants, generateKeyPairSync, type KeyPairKeyObjectResult, privateDecrypt, publicEncrypt } from 'node:crypto';
import { damaged } from '../damage.ts';
import type { RemoteKey } from '../keys/vault-key.ts';

const PADDING = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' };

export class TestRemoteKey implements RemoteKey {
  readonly id: string;
  /** Versions that were asked to unwrap. */
  readonly asked: string[] = [];
  readonly #versions: KeyPairKeyObjectResult[] = [];

  constructor(id: string) {
    this.id = id;
    this.rotate();
  }

  rotate(): void {
    this.#versions.push(generateKeyPairSync('rsa', { modulusLength: 2048 }));
  }

  async wrap(secret: Uint8Array): Promise<{ version: string; wrapped: Uint8Array }> {
    return { version: `v${this.#versions.length}`, wrapped: publicEncrypt({ key: this.#versions.at(-1)!.publicKey, ...PADDING }, secret) };
  }

  async unwrap(version: string, wrapped: Uint8Array): Promise<Uint8Array> {
    this.asked.push(version);
    try {
      return privateDecrypt({ key: this.#versions[Number(version.slice(1)) - 1]!.privateKey, ...PADDING }, wrapped);
    } catch (cause) {
      throw damaged('wrapped secret', 'this key did not wrap it', cause);
    }
  }
}
