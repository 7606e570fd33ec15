import { CONTROL_SLOT_SIZE, type ControlState, encodeControl, parseControl } from './control-slot.ts';
import { damaged } from './damage.ts';
import type { HrlFile } from './files.ts';

export const CONTROL_FILE_NAME = 'control.hrl';
export const CONTROL_FILE_SIZE = 2 * CONTROL_SLOT_SIZE;

/** The two slots of a control file. */
export interface ControlFile {
  readonly file: HrlFile;
  /** The newest valid state, undefined when there is none. */
  readonly newest: ControlState | undefined;
  /** Writes into the slot that doesn't hold the newest. */
  write(state: ControlState): void;
}

class SlottedControlFile implements ControlFile {
  readonly file: HrlFile;
  newest: ControlState | undefined;
  #slot = 1;

  constructor(file: HrlFile) {
    this.file = file;
    for (let slot = 0; (slot + 1) * CONTROL_SLOT_SIZE <= file.size; slot += 1) {
      const bytes = Buffer.alloc(CONTROL_SLOT_SIZE);
      file.read(slot * CONTROL_SLOT_SIZE, bytes);
      const state = parseControl(bytes);
      if (state === undefined || (this.newest !== undefined && state.sequence <= this.newest.sequence)) continue;
      this.newest = state;
      this.#slot = slot;
    }
    // A file that was torn when it was made holds nothing; one that holds something was whole once.
    if (this.newest !== undefined && file.size !== CONTROL_FILE_SIZE)
      throw damaged(file.path, file.size, 'the file has another size than it was made with');
  }

  write(state: ControlState): void {
    const bytes = encodeControl(state);
    this.#slot = 1 - this.#slot;
    this.file.write(this.#slot * CONTROL_SLOT_SIZE, bytes);
    this.newest = state;
  }
}

export const openControlFile = (file: HrlFile): ControlFile => new SlottedControlFile(file);
