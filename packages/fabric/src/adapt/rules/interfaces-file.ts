/** Options of a static address in /etc/network/interfaces. */
const STATIC = /^\s*(address|netmask|gateway|broadcast|network|pointopoint)\s/;
const STANZA = /^\s*(iface|mapping|auto|allow-\S+|source|source-directory|no-auto-down|no-scripts|rename)\b/;

/** The text of /etc/network/interfaces with addresses by DHCP in the place of static ones; what it said stays as comments. */
export const withDhcp = (text: string): string => {
  let within = false;
  return text
    .split('\n')
    .map((line) => {
      const found = /^(\s*iface\s+\S+\s+inet\s+)static\b(.*)$/.exec(line);
      if (found !== null) {
        within = true;
        return `${found[1]}dhcp${found[2]}`;
      }
      if (STANZA.test(line)) within = false;
      return within && STATIC.test(line) ? `#${line}` : line;
    })
    .join('\n');
};
