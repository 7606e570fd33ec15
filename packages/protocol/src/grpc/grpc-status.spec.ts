import { Metadata, status } from '@grpc/grpc-js';
import { ERROR_CODES, type ErrorCode, HoldfastError } from '@holdfast/errors';
import { errorOfStatus, statusCodeOf, statusOf } from './grpc-status.ts';

const details = { thing: 'machine a', why: 'b', remedy: 'c' };

describe('errors as gRPC statuses', () => {
  it.each(Object.keys(ERROR_CODES) as ErrorCode[])('%s passes through a status and is never OK', (code) => {
    const sent = statusOf(new HoldfastError(code, details), new Metadata());
    expect(status[sent.code]).toBeDefined();
    expect(sent.code).not.toBe(status.OK);
    expect(errorOfStatus(sent, 'server x')).toMatchObject({ code, ...details });
  });

  it.each<[ErrorCode, status]>([
    ['CERTIFICATE_REVOKED', status.UNAUTHENTICATED],
    ['NO_PERMISSION', status.PERMISSION_DENIED],
    ['MACHINE_NOT_FOUND', status.NOT_FOUND],
    ['NO_SPACE', status.RESOURCE_EXHAUSTED],
    ['FENCED', status.FAILED_PRECONDITION],
    ['TIMED_OUT', status.DEADLINE_EXCEEDED],
    ['STORE_UNAVAILABLE', status.UNAVAILABLE],
    ['PROTOCOL_VIOLATION', status.INVALID_ARGUMENT],
    ['UNSUPPORTED_OPERATION', status.UNIMPLEMENTED],
    ['DAMAGED', status.DATA_LOSS],
    ['INTERNAL', status.INTERNAL],
  ])('%s is for any other client %i', (code, expected) => {
    expect(statusCodeOf(new HoldfastError(code, details))).toBe(expected);
  });
});

describe('statuses without an error of ours', () => {
  it.each<[status, ErrorCode]>([
    [status.UNAVAILABLE, 'CONNECTION_LOST'],
    [status.CANCELLED, 'CONNECTION_LOST'],
    [status.INTERNAL, 'CONNECTION_LOST'],
    [status.UNKNOWN, 'CONNECTION_LOST'],
    [status.DEADLINE_EXCEEDED, 'TIMED_OUT'],
    [status.RESOURCE_EXHAUSTED, 'PROTOCOL_VIOLATION'],
    [status.UNIMPLEMENTED, 'UNSUPPORTED_OPERATION'],
    [status.PERMISSION_DENIED, 'NO_PERMISSION'],
    [status.UNAUTHENTICATED, 'CERTIFICATE_UNTRUSTED'],
    [4711 as status, 'CONNECTION_LOST'],
  ])('%i becomes %s with the words of the other side', (code, expected) => {
    const error = errorOfStatus({ code, details: 'it\nsaid', metadata: new Metadata() }, 'server x');
    expect(error).toMatchObject({ code: expected, thing: 'server x', why: 'it said' });
  });

  it('are bounded, whatever they hold', () => {
    const metadata = new Metadata();
    metadata.set('holdfast-error-bin', Buffer.from('{'));
    expect(errorOfStatus({ code: 14, details: 'x'.repeat(100_000), metadata }, 'x').why.length).toBeLessThanOrEqual(600);
    expect(errorOfStatus({}, 'x').code).toBe('CONNECTION_LOST');
    expect(errorOfStatus(Object.assign(new Error('no'), { code: 'ECONNRESET' }), 'x').code).toBe('CONNECTION_LOST');
  });
});
