import { HoldfastError } from '@holdfast/errors';

/** The largest page a server gives. */
const LARGEST_PAGE = 500;

export interface PageRequest {
  readonly pageSize: number;
  readonly pageToken: string;
}

export interface Page<Row> {
  readonly rows: readonly Row[];
  readonly nextPageToken: string;
}

/** All rows of a list, page by page, or as many as are wanted. */
export const readPages = async <Row>(
  readPage: (request: PageRequest) => Promise<Page<Row>>,
  limit = Number.POSITIVE_INFINITY,
): Promise<Row[]> => {
  const all: Row[] = [];
  for (let pageToken = ''; ; ) {
    const { rows, nextPageToken } = await readPage({ pageSize: Math.min(limit - all.length, LARGEST_PAGE), pageToken });
    for (const row of rows) all.push(row);
    if (nextPageToken === '' || all.length >= limit) return all.slice(0, limit);
    if (nextPageToken === pageToken)
      throw new HoldfastError('PROTOCOL_VIOLATION', {
        thing: 'configuration server',
        why: 'its list goes round in a circle',
        remedy: 'use versions of both sides that fit together',
      });
    pageToken = nextPageToken;
  }
};
