import { createHash } from 'node:crypto';
import { IMAGE_FORMATS, type ImageLabel } from '@holdfast/disk-image';
import type { RecoveryPoint } from '@holdfast/vault';
import { Option } from 'commander';

export const formatOption = (): Option => new Option('--format <format>', 'of the image').choices(IMAGE_FORMATS).default('raw');

/** What an image of a disk says about itself: its own for each disk at each point, and always the same. */
export const imageLabel = ({ id, time }: RecoveryPoint, diskId: string): ImageLabel => ({
  id: createHash('sha256').update(`${id} ${diskId}`).digest().subarray(0, 16),
  made: time,
});
