/**
 * Puts packages for other platforms back into package-lock.json: `node tools/setup/complete-lock.cjs`, after `npm install` against a
 * registry or mirror that does not have all of them. npm leaves out what it could not look up, and then `npm ci` refuses the file
 * everywhere. The versions are those their parents ask for; they must be exact. Prints what it adds; run again it adds nothing.
 */
const fs = require('node:fs');
const path = require('node:path');

const SYSTEMS = /\b(aix|android|darwin|freebsd|linux|netbsd|openbsd|openharmony|sunos|win32)\b/;
const PROCESSORS = /\b(x64|arm64|aarch64|armv7|arm|ia32|loong64|mips64el|ppc64|riscv64|s390x)\b/;
const PROCESSOR_NAMES = { aarch64: 'arm64', armv7: 'arm' };

/** The path in the lock file under which a package at `from` finds `name`, if any. */
const resolve = (packages, from, name) => {
  for (let at = from; ; at = at.slice(0, at.lastIndexOf('node_modules/')).replace(/\/$/, '')) {
    const candidate = path.posix.join(at, 'node_modules', name);
    if (candidate in packages) return candidate;
    if (!at.includes('node_modules/')) return at === '' ? undefined : resolve(packages, '', name);
  }
};

/** The entry npm would have made, as far as the name of a prebuilt package tells; its fields are in npm's order. */
const entryOf = (name, version, dev) => {
  const [, system] = SYSTEMS.exec(name) ?? [];
  const [, processor] = PROCESSORS.exec(name) ?? [];
  if (system === undefined || processor === undefined) throw new Error(`${name}: its platform cannot be told by its name`);
  const [, libc] = (system === 'linux' && /(musl|gnu)/.exec(name)) || [];
  return {
    version,
    cpu: [PROCESSOR_NAMES[processor] ?? processor],
    ...(dev ? { dev } : {}),
    ...(libc === undefined ? {} : { libc: [libc === 'gnu' ? 'glibc' : libc] }),
    optional: true,
    os: [system],
  };
};

/** The entries that `lock` lacks, by path. */
const missingEntries = ({ packages }) => {
  const missing = {};
  for (const [from, { optionalDependencies = {}, dev }] of Object.entries(packages)) {
    for (const [name, version] of Object.entries(optionalDependencies)) {
      if (resolve(packages, from, name) !== undefined) continue;
      if (!/^\d+\.\d+\.\d+/.test(version)) throw new Error(`${from}: ${name}@${version} is no exact version`);
      missing[`node_modules/${name}`] = entryOf(name, version, dev);
    }
  }
  return missing;
};

const complete = (lock) => {
  const [[top, root], ...others] = Object.entries(lock.packages);
  const all = [...others, ...Object.entries(missingEntries(lock))].sort(([a], [b]) => a.localeCompare(b, 'en'));
  return { ...lock, packages: { [top]: root, ...Object.fromEntries(all) } };
};

if (require.main === module) {
  const file = path.resolve(__dirname, '../../package-lock.json');
  const lock = JSON.parse(fs.readFileSync(file, 'utf8'));
  for (const name of Object.keys(missingEntries(lock))) console.log(name);
  fs.writeFileSync(file, `${JSON.stringify(complete(lock), null, 2)}\n`);
}

module.exports = { complete, missingEntries };
