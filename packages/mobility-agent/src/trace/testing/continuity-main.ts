// Opens a trace, attaches a disk, and prints as one line of JSON how continuous that is: continuity-main.ts OPTIONS-AS-JSON DEVICE
import { identifyDevice } from '../device.ts';
import { createWriteTrace } from '../trace.ts';
import { createCountingSink } from './counting-sink.ts';

const [options = '', device = ''] = process.argv.slice(2);
const session = createWriteTrace(JSON.parse(options));
const { index, continuity } = session.attach(identifyDevice(device), createCountingSink());
session.confirm(index);
console.log(JSON.stringify(continuity));
session.trace.close();
