export { encodeImage } from './encode-image.ts';
export { type Exported, type ExportOptions, exportImage } from './export-image.ts';
export { type Encoding, IMAGE_FORMATS, type ImageFormat, type ImageLabel, type Piece } from './image-format.ts';
export { type Chunk, type ReadChunksOptions, readChunks } from './read-chunks.ts';
