import { eventsOf, missingOf } from './bio-probe.ts';

/** As the kernel writes it; a striped volume took the last 128 sectors of the read on as a part of its own. */
const STRIPED = `# tracer: nop
              dd-1219    [000] .....    25.330000: block_bio_queue: 253,0 R 0 + 512 [dd]
              dd-1219    [001] d.h1.    25.331000: block_bio_complete: 253,0 R 384 + 128 [0]
`;

describe('the probe of a device without requests', () => {
  it('reads what the kernel told', () => {
    expect(eventsOf(STRIPED)).toEqual([
      { event: 'block_bio_queue', sector: 0, sectors: 512 },
      { event: 'block_bio_complete', sector: 384, sectors: 128 },
    ]);
  });

  it.each([
    ['one that splits what it is given', STRIPED, 512, undefined],
    [
      'one that is given it in pieces',
      STRIPED.replace('0 + 512', '0 + 256').concat(' block_bio_queue: 253,0 R 256 + 256 [x]'),
      600,
      undefined,
    ],
    ['one of which nothing is told', '', 512, /handed to it is not told/],
    ['one that hands it on in place', STRIPED.replace(/.*complete.*\n/, ''), 512, /end of what is handed to it is not told/],
    ['one of which another part ends', STRIPED.replace('384 + 128', '0 + 128'), 512, /end of what/],
    ['one that counts nothing', STRIPED, 0, /not counted/],
    ['one that neither tells nor counts', '', 0, /not counted/],
  ])('judges %s', (_name, trace, counted, missing) => {
    const found = missingOf(eventsOf(trace), 512, counted);
    if (missing === undefined) expect(found).toBeUndefined();
    else expect(found).toMatch(missing);
  });
});
