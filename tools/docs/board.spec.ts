import { readFileSync } from 'node:fs';
import path from 'node:path';
import { boardJson, boardMetrics, metricsOf, ROWS } from './board.ts';

interface Place {
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
}

describe('the Grafana board', () => {
  it('in deploy/ is the one of the source: npm run docs', () => {
    expect(readFileSync(path.resolve(__dirname, '../../deploy/grafana/holdfast.json'), 'utf8')).toBe(boardJson());
  });

  it('has panels that do not lie on each other, and ids of their own', () => {
    const { panels } = JSON.parse(boardJson()) as { panels: { id: number; gridPos: Place }[] };
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const taken = new Set<string>();
    for (const { gridPos } of panels)
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1)
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
          expect(x).toBeLessThan(24);
          expect(taken.has(`${x}/${y}`)).toBe(false);
          taken.add(`${x}/${y}`);
        }
  });

  it('asks in every query for something of ours', () => {
    expect(metricsOf('rate(holdfast_a_total[1m]) / holdfast_b')).toEqual(['holdfast_a_total', 'holdfast_b']);
    for (const { panels } of ROWS)
      for (const { queries } of panels) for (const [expression] of queries) expect(metricsOf(expression).length).toBeGreaterThan(0);
    expect(boardMetrics().length).toBeGreaterThan(15);
  });
});
