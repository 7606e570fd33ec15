export { type AdaptMachineOptions, createAdaptation, rootHints } from './adapt/adapt-machine.ts';
export type { Area, PlanItem } from './adapt/guest.ts';
export type { GuestDisk } from './adapt/mount/guest-disk.ts';
export { type MountedVolume, type MountedVolumes, type MountVolumesOptions, mountVolumes } from './adapt/mount/mount-volumes.ts';
export { type OpenGuest, type OpenGuestOptions, openGuest } from './adapt/mount/open-guest.ts';
export { runTool } from './adapt/mount/run-tool.ts';
export { clearScratch, kernelMounts, loopsBelow, makeScratch } from './adapt/mount/scratch.ts';
export { type AdaptationPlan, describePlan, type PlanOptions, planAdaptation } from './adapt/plan-adaptation.ts';
export type { MountedTree } from './adapt/tree/mounted-tree.ts';
export type { TreeEntry } from './adapt/tree/tree-worker.ts';
export type {
  Fabric,
  FabricFinding,
  HydrateOptions,
  MachineConsole,
  MachineDiskStatus,
  MachineRequest,
  MachineState,
  MachineStatus,
  PauseReason,
  StopOptions,
} from './fabric.ts';
export {
  DISK_CONTROLLERS,
  type DiskController,
  type DiskShape,
  type DiskSource,
  type MachineFirmware,
  type MachineShape,
  type NetworkAttachment,
  type NetworkModel,
  type NetworkShape,
} from './machine-shape.ts';
export {
  type ExpectedProof,
  type ProofReport,
  type ProofStep,
  readSigningKey,
  signerFingerprint,
  type Verdict,
  verifyProof,
} from './proof/proof-report.ts';
export { LOGIN_PROMPT, type ProvePointOptions, provePoint } from './proof/prove-point.ts';
export { openSigningKey } from './proof/signing-key.ts';
export { onLine } from './qemu/lines.ts';
export { createQemuFabric, type QemuFabricOptions } from './qemu/qemu-fabric.ts';
export { createQmp, type Qmp } from './qemu/qmp.ts';
export { discardRecovery, recoverMachine } from './recovery/recover-machine.ts';
export type {
  AdaptableDisk,
  Adaptation,
  AdaptationRequest,
  AdaptMachine,
  RecoveredMachine,
  RecoverMachineOptions,
  RecoveryStatus,
  RecoveryStep,
} from './recovery/recovery.ts';
export { listRecoveries, type RecoveryRecord } from './recovery/recovery-files.ts';
export { firmwareOf } from './recovery/shape-of-point.ts';
