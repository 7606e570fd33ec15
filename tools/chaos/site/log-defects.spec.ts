import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createLogDefects } from './log-defects.ts';

it('defects in logs are found, once, when their line is whole', () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'log-defects-'));
  const file = path.join(directory, 'log');
  const { take } = createLogDefects([{ file }, { file: path.join(directory, 'not there') }]);
  try {
    expect(take()).toEqual([]);
    appendFileSync(file, '{"level":"warn","error":{"code":"CONNECTION_LOST"}}\n{"error":{"code":"INTERNAL","mess');
    expect(take()).toEqual([]);
    appendFileSync(file, 'age":"x"}}\nTypeError: y is not a function\n');
    expect(take()).toEqual([`${file}: {"error":{"code":"INTERNAL","message":"x"}}`, `${file}: TypeError: y is not a function`]);
    expect(take()).toEqual([]);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

it('a member that reaches the configuration server past its link is found', () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'log-defects-'));
  const file = path.join(directory, 'log');
  const connected = (at: string): string => `{"server":"configuration server ${at}","message":"The configuration server is connected"}`;
  const { take } = createLogDefects([{ file, way: '127.0.0.1:4000' }]);
  try {
    appendFileSync(file, `${connected('127.0.0.1:4000')}\n`);
    expect(take()).toEqual([]);
    appendFileSync(file, `${connected('127.0.0.1:40001')}\n`);
    expect(take()).toEqual([`${file}: ${connected('127.0.0.1:40001')}`]);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
