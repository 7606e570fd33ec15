import { completeSchema, type Program, type Schema, settingsMarkdown } from '@holdfast/daemon';

/** `<!-- settings of NAME -->` … `<!-- end of settings -->`: what stands between is made from the program. */
const PLACE = /<!-- settings of ([\w-]+) -->\n[\s\S]*?<!-- end of settings -->/g;

/** The document with the settings of programs in their places. Throws for a place of a program that is not there, and for a program without one. */
export const withSettings = <S extends Schema>(document: string, programs: readonly Program<S>[]): string => {
  const left = new Map(programs.map((program) => [program.name, program]));
  const told = document.replaceAll(PLACE, (_, name: string) => {
    const program = left.get(name);
    if (program === undefined) throw new Error(`${name}: there is no such program, or its settings stand there twice`);
    left.delete(name);
    return `<!-- settings of ${name} -->\n\n${settingsMarkdown(completeSchema(program)).trim()}\n\n<!-- end of settings -->`;
  });
  if (left.size > 0) throw new Error(`there is no place for the settings of ${[...left.keys()].join(', ')}`);
  return told;
};
