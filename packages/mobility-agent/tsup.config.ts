import { library } from '../../tsup.base.ts';

// The file of the thread lies beside what starts it, here as there.
export default library({ index: 'src/index.ts', 'packing-thread': 'src/frames/packing-thread.ts' });
