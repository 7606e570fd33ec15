const ballast: Buffer[] = [];

/**
 * Bytes that the collector counts as living, and nobody ever touches, so that they take none. How much new memory it lets come before it goes through the
 * whole heap again depends on how much lives: where little does, and much passes through, it may do so for every twenty megabytes. About so many bytes more
 * may then lie about uncollected at a time. For programs that carry data, behind `tuneMemory`. To be called once, early.
 */
export const carryBallast = (bytes: number): void => void ballast.push(Buffer.allocUnsafeSlow(bytes));
