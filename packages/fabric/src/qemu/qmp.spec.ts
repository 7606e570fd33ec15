import { duplexPair } from 'node:stream';
import { onLine } from './lines.ts';
import { createQmp } from './qmp.ts';

interface Request {
  readonly execute: string;
  readonly id: number;
  readonly arguments?: unknown;
}

/** A QEMU that answers by `answer`, after the greeting and an event. */
const connect = (answer: (request: Request) => object | undefined) => {
  const [socket, peer] = duplexPair();
  const requests: Request[] = [];
  peer.write('{"QMP": {"version": {}, "capabilities": []}}\r\n{"event": "RESUME", "timestamp": {}}\r\n');
  onLine(peer, (line) => {
    const request = JSON.parse(line) as Request;
    requests.push(request);
    const reply = answer(request);
    if (reply !== undefined) peer.write(`${JSON.stringify({ ...reply, id: request.id })}\r\n`);
  });
  return { qmp: createQmp(socket), peer, requests };
};

it('negotiates first, then returns what the command returned', async () => {
  const { qmp, requests } = connect(({ execute }) => ({ return: execute === 'query-status' ? { running: true } : {} }));
  await expect(qmp.execute('query-status')).resolves.toEqual({ running: true });
  expect(requests.map(({ execute }) => execute)).toEqual(['qmp_capabilities', 'query-status']);
});

it('tells answers that come out of order apart', async () => {
  const late: Request[] = [];
  const { qmp, peer } = connect((request) => {
    if (request.execute !== 'slow') return { return: request.execute };
    late.push(request);
    return undefined;
  });
  const slow = qmp.execute('slow', { a: 1 });
  await expect(qmp.execute('fast')).resolves.toBe('fast');
  peer.write(`${JSON.stringify({ return: 'slow', id: late[0]!.id })}\n`);
  await expect(slow).resolves.toBe('slow');
});

it("refuses in QEMU's words", async () => {
  const { qmp } = connect(() => ({ error: { class: 'GenericError', desc: 'Device has no medium' } }));
  await expect(qmp.execute('eject')).rejects.toMatchObject({ code: 'FABRIC_FAILED', why: 'Device has no medium' });
});

it('leaves nobody waiting for a QEMU that is gone or talks nonsense', async () => {
  const gone = connect(() => undefined);
  const waiting = gone.qmp.execute('query-block');
  gone.peer.end();
  await expect(waiting).rejects.toMatchObject({ code: 'FABRIC_FAILED' });
  await expect(gone.qmp.execute('query-block')).rejects.toMatchObject({ code: 'FABRIC_FAILED' });

  const mad = connect(() => undefined);
  const lost = mad.qmp.execute('query-block');
  mad.peer.write('no json\n');
  await expect(lost).rejects.toMatchObject({ code: 'FABRIC_FAILED' });
});
