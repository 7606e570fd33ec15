import { parse } from '@swc/core';

/** One import of a file: `import`, `export … from`, `import()`, `import('…').Type`, `require()`, `jest.mock()`. */
export interface Import {
  /** The module asked for; undefined when it is computed at run time. */
  readonly specifier: string | undefined;
  readonly line: number;
}

type Node = Readonly<Record<string, unknown>>;

const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null;

const literal = (value: unknown): string | undefined =>
  isNode(value) && value['type'] === 'StringLiteral' ? (value['value'] as string) : undefined;

const offset = (node: Node): number => (node['span'] as { start: number }).start;

/** `require(…)`, `require.resolve(…)`, `jest.mock(…)` and their kin, `import(…)`. */
const isModuleCall = (callee: unknown): boolean => {
  if (!isNode(callee)) return false;
  if (callee['type'] === 'Import') return true;
  if (callee['type'] === 'Identifier') return callee['value'] === 'require';
  if (callee['type'] !== 'MemberExpression') return false;
  const { object, property } = callee as { object: Node; property: Node };
  const name = `${String(object['value'])}.${String(property['value'])}`;
  return /^(require\.resolve|jest\.(mock|doMock|unmock|requireActual|requireMock))$/.test(name);
};

const importOf = (node: Node): { specifier: string | undefined } | undefined => {
  switch (node['type']) {
    case 'ImportDeclaration':
    case 'ExportAllDeclaration':
      return { specifier: literal(node['source']) };
    case 'ExportNamedDeclaration':
      return node['source'] ? { specifier: literal(node['source']) } : undefined;
    case 'TsImportType':
      return { specifier: literal(node['argument']) };
    case 'TsExternalModuleReference':
      return { specifier: literal(node['expression']) };
    case 'CallExpression': {
      if (!isModuleCall(node['callee'])) return undefined;
      const [first] = node['arguments'] as { expression: unknown }[];
      return { specifier: literal(first?.expression) };
    }
    default:
      return undefined;
  }
};

/** Every import of a TypeScript source, types included, in the order of the text. */
export const importsOf = async (source: string): Promise<Import[]> => {
  // swc counts positions in UTF-8 bytes, and on from the file it parsed before; a first statement of our own tells where this one begins.
  const bytes = Buffer.from(`0;\n${source.replace(/^#!/, '//')}`);
  const module = await parse(bytes.toString(), { syntax: 'typescript', target: 'es2024' });
  const start = module.span.start;
  const found: Import[] = [];
  const visit = (value: unknown): void => {
    if (!isNode(value)) return;
    const one = importOf(value);
    if (one !== undefined)
      found.push({
        ...one,
        line:
          bytes
            .subarray(0, offset(value) - start)
            .toString()
            .split('\n').length - 1,
      });
    Object.values(value).forEach(visit);
  };
  visit(module.body);
  return found;
};
