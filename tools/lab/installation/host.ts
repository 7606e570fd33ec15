/** Where everything of the lab listens. */
export const HOST = '127.0.0.1';
