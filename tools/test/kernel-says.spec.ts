const { deathsIn } = require('./jest/kernel-says.cjs') as { deathsIn(text: string, uptime: number): string[] };

it('tells what the kernel noted of processes that died since, and nothing else', () => {
  const lines = [
    '[    1.000000] traps: node[9] trap int3 ip:27bd22c sp:7fde0a4e0450 error:0 in node[23bd22c,74a000+28fa000]',
    '[61750.187315] traps: WorkerThread[25689] trap int3 ip:27bd22c sp:7fde0a4e0450 error:0 in node[23bd22c,74a000+28fa000]',
    '[61751.000000] EXT4-fs (loop7): unmounting filesystem 852f33c6-8b1a-41d4-a8b5-25988574cea3.',
    '[63602.822013] real[20597]: segfault at 0 ip 000055f2bd122132 sp 00007fff6f073d30 error 6 in real[1132,55f2bd122000+1000]',
    '[63602.900000] Out of memory: Killed process 12 (node) total-vm:1kB, anon-rss:1kB',
  ];
  expect(deathsIn(lines.join('\n'), 61_000)).toEqual([lines[1], lines[3], lines[4]]);
  expect(deathsIn('', 0)).toEqual([]);
});
