export type { Capture, CaptureDisk, CopyProgress, Proposal } from './capture/capture.ts';
export type { DiskRead, DiskSource } from './capture/disk-source.ts';
export { type OpenDiskSource, openDiskSource } from './capture/open-disk-source.ts';
export { createTraceCapture, type TraceCaptureOptions } from './capture/trace-capture.ts';
export { type DiskRegistry, openDiskRegistry, type RegisteredDisk } from './disks/disk-registry.ts';
export { createEngine } from './engine/create-engine.ts';
export type { DiskStatus, Engine, EngineEvent, EngineStatus, Problem } from './engine/engine.ts';
export type { EngineOptions } from './engine/engine-options.ts';
export { createFramePacker, type FrameCounters, type FramePacker, type FramePackerOptions } from './frames/frame-packer.ts';
export type { HrlFinding } from './hrl/finding.ts';
export type { Hrl, HrlCutWriter, HrlHead, HrlManifest, HrlRecovery } from './hrl/hrl.ts';
export { findInHrl, type InspectOptions, inspectHrl } from './hrl/inspect.ts';
export { type HrlOptions, openHrl } from './hrl/open-hrl.ts';
export { type CollectOptions, collectManifest } from './manifest/collect.ts';
export type { ManifestDisk } from './manifest/disks.ts';
export { manifestIdentity } from './manifest/identity.ts';
export { createProgram, type ProgramOptions, program } from './program.ts';
export {
  createScanCapture,
  type ScanCapture,
  type ScanCaptureOptions,
  type ScanDisk,
  type ScanProgress,
  type ScanResult,
} from './scan/scan-capture.ts';
export { createFileSource, type ScanSource } from './scan/scan-source.ts';
export { createSender, type Sender, type SenderOptions, type SenderStatus, type SenderWaits } from './sender/sender.ts';
export { openSenderMemory, type SenderMemory } from './sender/sender-memory.ts';
export { identifyDevice, type TracedDevice } from './trace/device.ts';
export { type Continuity, createWriteTrace, type WriteTraceOptions, type WriteTraceSession } from './trace/trace.ts';
export type { WriteSink, WriteTrace } from './trace/write-trace.ts';
