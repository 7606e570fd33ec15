import { createInterface } from 'node:readline/promises';

/** Asks for a line that is seen while it is typed. */
export const askLine = async (keyboard: NodeJS.ReadableStream, screen: NodeJS.WritableStream, question: string): Promise<string> => {
  const asking = createInterface({ input: keyboard, output: screen });
  try {
    return await asking.question(question);
  } finally {
    asking.close();
  }
};
