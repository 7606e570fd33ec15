import { create, type DescMessage, type MessageShape } from '@bufbuild/protobuf';
import { AgentReportSchema, idBytes, MachineService, ServerReportSchema, ServerService } from '@holdfast/protocol';
import fc from 'fast-check';
import { connectAgent, connectServer, manifestOf } from '../conformance/test-member.ts';
import { endTestServers, enrolMember, startTestServer } from '../conformance/test-server.ts';

afterAll(endTestServers);

const NUMBERS = [0n, 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n];
const bytes = (own: Uint8Array): fc.Arbitrary<Uint8Array> =>
  fc.oneof(fc.constant(own), fc.uint8Array({ maxLength: 40 }), fc.constant(new Uint8Array(16)));
const words = fc.oneof(fc.string(), fc.constantFrom('', 'x'.repeat(100_000), '\u0000\n', '__proto__', 'NO_SPACE'));

/** Any value a message can carry over the wire. */
const anyOf = <D extends DescMessage>(message: D, own: Uint8Array, depth = 0): fc.Arbitrary<MessageShape<D>> => {
  const scalar = (kind: number): fc.Arbitrary<unknown> => {
    if (kind === 8) return fc.boolean();
    if (kind === 9) return words;
    if (kind === 12) return bytes(own);
    if (kind === 1 || kind === 2) return fc.double();
    if (kind === 3 || kind === 4 || kind === 6) return fc.constantFrom(...NUMBERS);
    return fc.nat({ max: 2 ** 31 - 1 });
  };
  const one = (field: DescMessage['fields'][number]): fc.Arbitrary<unknown> => {
    if (field.fieldKind === 'scalar') return scalar(field.scalar);
    if (field.fieldKind === 'enum') return fc.nat({ max: 30 });
    if (field.fieldKind === 'message') return depth < 2 ? anyOf(field.message, own, depth + 1) : fc.constant(undefined);
    if (field.fieldKind !== 'list') return fc.constant({});
    const element =
      field.listKind === 'scalar'
        ? scalar(field.scalar)
        : field.listKind === 'enum'
          ? fc.nat({ max: 30 })
          : depth < 2
            ? anyOf(field.message, own, depth + 1)
            : fc.constant(create(field.message));
    return fc.array(element, { maxLength: 4 });
  };
  const plain = message.fields.filter(({ oneof }) => oneof === undefined);
  return fc
    .record(Object.fromEntries(plain.map((field) => [field.localName, fc.option(one(field), { nil: undefined, freq: 4 })])), {
      requiredKeys: [],
    })
    .map((values) => create(message, Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as never));
};

const REPORTS = 100;
/** Of these, those with which lists are read. */
const LOOKS = 15;
const SEED = 11;

it('members that report anything do no harm: the others are told and heard as before', async () => {
  const server = await startTestServer();
  const honest = await enrolMember(server, 'agent', 'honest');
  const strange = await enrolMember(server, 'agent', 'strange');
  const odd = await enrolMember(server, 'process-server', 'odd', { endpoints: ['127.0.0.1:1'] });
  const hello = connectAgent(server, honest, 'honest', { manifest: manifestOf(honest.id) });
  await hello.until(() => true);

  const agentReports = fc.sample(anyOf(AgentReportSchema, idBytes(strange.id)), { numRuns: REPORTS, seed: SEED });
  const serverReports = fc.sample(anyOf(ServerReportSchema, idBytes(strange.id)), { numRuns: REPORTS, seed: SEED });
  const ends: string[] = [];
  const shower = async <R>(
    connect: () => {
      report(report: R): void;
      until(fits: () => boolean): Promise<unknown>;
      close(): Promise<void>;
      ended: Promise<{ code: string } | undefined>;
    },
    reports: readonly R[],
  ) => {
    for (let at = 0; at < reports.length; at += 20) {
      const stream = connect();
      await stream.until(() => true);
      for (const report of reports.slice(at, at + 20)) stream.report(report);
      // What is on its way is read before the stream is ended here, or the server ends it.
      await Promise.race([stream.ended, new Promise((resolve) => setTimeout(resolve, 20))]);
      await stream.close();
      const end = await stream.ended;
      if (end !== undefined) ends.push(end.code);
    }
  };
  await Promise.all([
    shower(() => connectAgent(server, strange, 'strange', { manifest: manifestOf(strange.id) }), agentReports),
    shower(() => connectServer(server, odd, { endpoints: ['127.0.0.1:1'] }), serverReports),
  ]);
  expect(ends.filter((code) => code === 'INTERNAL')).toEqual([]);

  // Whatever a member says of itself, people can be told of it.
  const machines = server.api(MachineService);
  const again = connectAgent(server, strange, 'strange', { manifest: manifestOf(strange.id) });
  const oddAgain = connectServer(server, odd, { endpoints: ['127.0.0.1:1'] });
  await Promise.all([again.until(() => true), oddAgain.until(() => true)]);
  for (const [index, report] of agentReports.slice(0, LOOKS).entries()) {
    again.report(report);
    oddAgain.report(serverReports[index]!);
    expect((await machines.listMachines({})).machines).toHaveLength(2);
    expect((await server.api(ServerService).listServers({})).servers).toHaveLength(1);
  }

  // And the others are heard as before.
  hello.report(create(AgentReportSchema, { revision: hello.states.at(-1)!.revision, points: 7n }));
  let points = 0n;
  while (points !== 7n) points = (await machines.getMachine({ machine: 'honest' })).machine?.report?.points ?? 0n;
  expect(server.lines.filter((line) => /INTERNAL|TypeError|RangeError/.test(JSON.stringify(line)))).toEqual([]);
}, 60_000);
