export { type AffectedPoint, affectedPoints } from './affected-points.ts';
export { type CheckOptions, type CheckReport, checkMachine } from './check-machine.ts';
export { checkObjects } from './check-objects.ts';
export type { CheckpointInterval } from './checkpointer.ts';
export { type Clock, systemClock } from './clock.ts';
export { type CompactionReport, type CompactMachineOptions, compactMachine } from './compact-machine.ts';
export { type ControlAddresses, putControlAddresses, readControlAddresses } from './control-addresses.ts';
export {
  type ControlBackup,
  listControlBackups,
  newestControlBackups,
  pruneControlBackups,
  putControlBackup,
  readControlBackup,
} from './control-backups.ts';
export { type CopyOptions, type CopyReport, copyVault } from './copy-vault.ts';
export { emptyBlocks, type KnownBlocks, readDigests } from './disk-digests.ts';
export type { Finding } from './finding.ts';
export { type FrameCache, type FrameCacheOptions, openFrameCache } from './frame-cache.ts';
export type { Anchor, DiskHead, FailedOver } from './head.ts';
export type { EpochEntry, GenerationHistory, MachineHistory, RecoveryPoint } from './history.ts';
export { type Hold, type HoldOptions, type HoldSummary, holdMachine, listHolds, releaseHold } from './hold.ts';
export { inspectVault, type KeySlotInspection, type MachineObjects, type VaultInspection } from './inspect-vault.ts';
export { type KeepOptions, type KeepReport, keepMachine } from './keep-machine.ts';
export { type KeeperKey, keeperKeyOf } from './keeper-key.ts';
export { readKeeperKey } from './keeper-key-file.ts';
export { checkKeys } from './keys/check-keys.ts';
export {
  type AddedHolder,
  addHolder,
  copyKeySlot,
  type HolderOptions,
  listHolders,
  removeHolder,
  type VaultHolder,
} from './keys/holders.ts';
export { type KeyEpoch, rotateKeys } from './keys/key-epochs.ts';
export { parseKeyFile, readKeyFile, writeKeyFile } from './keys/key-file.ts';
export { type NewHolder, rekeyVault } from './keys/rekey.ts';
export type { ScryptCost } from './keys/scrypt-cost.ts';
export type { RemoteKey, VaultKey } from './keys/vault-key.ts';
export { type Lease, type LeaseOptions, leaseMachine } from './lease.ts';
export { type Durable, type LogWriter, type LogWriterOptions, openLogWriter } from './log-writer.ts';
export { type MachineSummary, registerMachine } from './machine.ts';
export { VAULT_NAME } from './object-names.ts';
export { overwrittenShare } from './overwritten-share.ts';
export { type PointChange, pointChanges } from './point-changes.ts';
export { type PointDisk, pointDisks } from './point-disks.ts';
export { probeRights } from './probe-rights.ts';
export { lastProven, listProofs, type Proof, type RecordedProof, recordProof } from './proof.ts';
export { type ReadMachineOptions, readMachine } from './read-machine.ts';
export { type RebuildReport, rebuildCatalogue } from './rebuild-catalogue.ts';
export { type RepairOptions, type RepairReport, repairMachine } from './repair.ts';
export { restoreObject } from './restore-object.ts';
export { RETENTION_PRESETS, type RetentionPolicy, type RetentionRule } from './retention.ts';
export { parseRetention } from './retention-text.ts';
export { type ScrubOptions, type ScrubReport, scrubMachine } from './scrub-machine.ts';
export { readScrubRecord, type ScrubProgress } from './scrub-record.ts';
export { SUSPICIOUS_SHARE } from './suspected.ts';
export { type FailoverOptions, recordFailover, recordRelease } from './takeover.ts';
export type { TierPolicy } from './tiers.ts';
export { type CreateVaultOptions, createVault, type KeySource, type OpenVaultOptions, openVault, type Vault } from './vault.ts';
export { type Amount, type MachineStats, machineStats, type ObjectFolder, type StoredAmounts, storedAmounts } from './vault-stats.ts';
export { openView, type ViewOptions } from './view.ts';
export { type UnusualWriting, unusualWriting } from './write-signal.ts';
