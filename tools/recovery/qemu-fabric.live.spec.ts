import { createQemuFabric } from '@holdfast/fabric';
import { describeFabric } from '@holdfast/fabric/conformance';

describe.unless(lacks('qemu-system-x86_64', 'qemu-img'), 'QEMU', () => {
  describeFabric('qemu', async (directory) => createQemuFabric({ directory, acceleration: 'tcg' }));
});
