export type { GuestResult } from './desk.ts';
export type { DiskBus, GuestDisk, GuestDiskOptions } from './disks.ts';
export { type Guest, type GuestOptions, type RunOptions, startGuest } from './guest.ts';
export { createGuestImage, type GuestImage, type GuestImageOptions } from './image.ts';
export { DEBIAN_12, type GuestRecipe } from './recipe.ts';
