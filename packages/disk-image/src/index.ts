export { type Exported, type ExportOptions, exportImage } from './export-image.ts';
export { type Encoding, IMAGE_FORMATS, type ImageFormat, type ImageLabel, type Piece } from './image-format.ts';
