export type { CutContent } from './cut-content.ts';
export * from './gen/holdfast/v1/lineage_pb.ts';
export * from './gen/holdfast/v1/manifest_pb.ts';
export * from './gen/holdfast/v1/vault_pb.ts';
export { ID_SIZE, idBytes, idText, isId, newId } from './id.ts';
