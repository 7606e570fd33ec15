import { createOpened } from './opened.ts';

it('closes from behind, once, and goes on behind what fails', async () => {
  const did: string[] = [];
  const opened = createOpened((line) => did.push(line));
  opened.add(() => void did.push('first'));
  opened.add(async () => {
    throw new Error('it is stuck');
  });
  opened.add(async () => void did.push('last'));
  await opened.close();
  await opened.close();
  expect(did).toEqual(['last', 'not closed: it is stuck', 'first']);
});
