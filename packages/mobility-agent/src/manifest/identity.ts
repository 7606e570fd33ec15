import { createHash } from 'node:crypto';
import { create, toBinary } from '@bufbuild/protobuf';
import { type Manifest, ManifestSchema } from '@holdfast/protocol';

/** 64 hexadecimal digits, equal for manifests that say the same, whatever their ids are. */
export const manifestIdentity = (manifest: Manifest): string => {
  const content = create(ManifestSchema, { ...manifest, id: new Uint8Array() });
  return createHash('sha256').update(toBinary(ManifestSchema, content)).digest('hex');
};
