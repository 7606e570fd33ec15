import { requestInvalid } from '../request-invalid.ts';

const DEFAULT_ROWS = 100;
const MOST_ROWS = 500;

/** How many rows a page has. Throws REQUEST_INVALID above 500. */
export const pageSize = (wanted: number): number => {
  if (wanted > MOST_ROWS) throw requestInvalid('page_size', `${wanted} is above ${MOST_ROWS}`, 'ask for fewer rows and go on page by page');
  return wanted === 0 ? DEFAULT_ROWS : wanted;
};

/** The place where the next page begins, as text that nobody needs to understand; empty at the end. */
export const pageToken = (place: string | undefined): string => (place === undefined ? '' : Buffer.from(place).toString('base64url'));

/** The place that a token of ours stands for; undefined at the beginning. Throws REQUEST_INVALID for anything that does not match `form`. */
export const pagePlace = (token: string, form: RegExp): string | undefined => {
  if (token === '') return undefined;
  const place = token.length > 200 ? '' : Buffer.from(token, 'base64url').toString();
  if (!form.test(place) || pageToken(place) !== token)
    throw requestInvalid('page_token', 'it was not made by this list', 'begin with an empty one');
  return place;
};

export const ID_PLACE = /^[0-9a-f]{32}$/;
export const REVISION_PLACE = /^\d{1,15}$/;
