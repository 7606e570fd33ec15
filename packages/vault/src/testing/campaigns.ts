// What campaigns play (`npm run chaos`).
export { type ForgeriesUsed, type ForgeriesWanted, useForgeries } from './many-forgeries.ts';
export { type LivesLived, type LivesWanted, liveMany } from './many-lives.ts';
