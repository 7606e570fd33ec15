import type { Bundle } from '../listener/install-files.ts';

export interface JoinFacts {
  readonly role: string;
  /** "host:port". */
  readonly server: string;
  readonly fingerprint: string;
  readonly secret: string;
  readonly bundle: Bundle | undefined;
}

/**
 * What to paste on the machine that joins. The file is checked by the digest that stands in the line itself, so that it does not matter that
 * curl cannot check the server's certificate yet. The token goes by standard input: arguments are seen by everybody on the machine.
 */
export const joinLines = ({ role, server, fingerprint, secret, bundle }: JoinFacts): string => {
  const join = `echo '${secret}' | sudo holdfast-${role} join --server ${server} --fingerprint ${fingerprint}`;
  if (bundle === undefined) return join;
  const { file, digest } = bundle;
  return [
    `curl -fsSkO https://${server}/install/${file} \\`,
    `  && echo '${digest}  ${file}' | sha256sum -c \\`,
    `  && tar xzf ${file} \\`,
    `  && sudo ./holdfast-${role}/install.sh \\`,
    `  && ${join}`,
  ].join('\n');
};
