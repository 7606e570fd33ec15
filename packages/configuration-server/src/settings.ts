import { address, duration, filePath, flag, integer, list, oneOf, secret, section, text, url } from '@holdfast/daemon';

const hostName = text({ help: 'Name or address', pattern: /^[0-9A-Za-z:._-]{1,253}$/, means: 'a DNS name or an IP address' });

/** Every setting of the configuration server, next to those that all programs have. */
export const settings = {
  listen: section('The one listener, for machines and servers with certificates and for people without.', {
    address: address({ default: '0.0.0.0:443', help: 'Where it listens; port 0 takes a free one' }),
    names: list(hostName, {
      help: "Names and addresses on the server's certificate; empty: this machine's own. The first one stands in join commands",
    }),
    announced: address({
      optional: true,
      help: 'Address that join commands name, where machines reach this server by another one than it listens on',
    }),
    addresses: list(address({ help: 'HOST:PORT' }), {
      help: 'Addresses that members shall find this server at, in the order to try, told to all and kept by them; empty: the one of join commands. Name the new one here before this server moves',
      max: 8,
    }),
    connections: integer({ default: '8192', min: 16, max: 100_000, help: 'Most connections at a time; more are closed at once' }),
  }),
  certificates: section('The built-in certificate authority.', {
    lifetime: duration({
      default: '24h',
      min: '1s',
      max: '90d',
      help: 'How long certificates of machines and servers are valid; they renew themselves at half of it',
    }),
    grace: duration({
      default: '30d',
      min: '0s',
      max: '365d',
      help: 'How long after its end a certificate still lets its owner renew it, and do nothing else: machines come back by themselves when this server was away',
    }),
    ownLifetime: duration({ default: '30d', min: '1s', max: '365d', help: "How long this server's own certificate is valid" }),
  }),
  tokens: section('One-time tokens that let machines and servers join.', {
    lifetime: duration({ default: '1h', min: '1min', max: '30d', help: 'How long a token is good when its maker does not say' }),
    wrongAttempts: integer({
      default: '10',
      min: 1,
      max: 10_000,
      unit: 'a minute',
      help: 'Wrong tokens and passwords from one address that are told why; whoever sends more is told to stop',
    }),
  }),
  calls: section('Calls over the API; whoever makes more is told when to try again. Four times as many may come at once.', {
    perPerson: integer({ default: '100', min: 1, max: 100_000, unit: 'a second', help: 'Calls of one person, tool, machine or server' }),
    perAddress: integer({ default: '400', min: 1, max: 100_000, unit: 'a second', help: 'Calls from one address; of IPv6, one /64' }),
  }),
  people: section('People who sign in with a password.', {
    sessionLifetime: duration({ default: '12h', min: '1min', max: '90d', help: 'How long until they have to sign in again' }),
    passwordCost: integer({
      default: '16',
      min: 14,
      max: 20,
      help: 'Cost of comparing a password, as the power of two that scrypt calls N; one more takes twice the time and memory (16: 64 MiB). Counts for passwords set from then on',
    }),
  }),
  checks: section('Whether all is there that protections need.', {
    every: duration({ default: '12h', min: '1min', max: '30d', help: 'Time from one look at a protected machine to the next' }),
    patience: duration({ default: '15s', min: '1s', max: '5min', help: 'Longest time that agents and process servers may take to look' }),
  }),
  plans: section('Recovery plans.', {
    scripts: filePath({
      optional: true,
      help: 'Directory of the scripts that plans may run, by name; only root may be able to change it. Without it plans run none',
    }),
    scriptLimit: duration({ default: '10min', min: '1s', max: '1d', help: 'Longest time for one of them' }),
  }),
  alerts: section('From when on something is an alert. RPO thresholds are those of the policies.', {
    interval: duration({ default: '5s', min: '100ms', max: '5min', help: 'Time between two looks at everything' }),
    calm: duration({
      default: '1min',
      min: '0s',
      max: '1d',
      help: 'How long something has to be well, or less grave, before its alert ends or lessens: what wavers is one alert',
    }),
    awayWarning: duration({ default: '5min', min: '10s', max: '7d', help: 'Time without a sign of an agent or server: warning' }),
    awayCritical: duration({ default: '15min', min: '10s', max: '7d', help: 'The same: critical' }),
    rpoCritical: integer({
      default: '4',
      min: 1,
      max: 1000,
      help: 'How many times its RPO threshold a machine may be behind before that is critical',
    }),
    journalWarning: integer({
      default: '70',
      min: 1,
      max: 100,
      unit: '%',
      help: 'How full the journal of a process server may be: warning',
    }),
    journalCritical: integer({ default: '75', min: 1, max: 100, unit: '%', help: 'The same: critical' }),
    cpuWarning: integer({
      default: '80',
      min: 1,
      max: 100,
      unit: '%',
      help: 'What a process server may use of all processors for 15 min: warning',
    }),
    cpuCritical: integer({ default: '95', min: 1, max: 100, unit: '%', help: 'The same: critical' }),
    memoryWarning: integer({
      default: '80',
      min: 1,
      max: 100,
      unit: '%',
      help: 'How much of the memory of the machine of a process server may be used for 15 min: warning',
    }),
    memoryCritical: integer({ default: '95', min: 1, max: 100, unit: '%', help: 'The same: critical' }),
    backlogWarning: duration({
      default: '30min',
      min: '10s',
      max: '7d',
      help: 'How long what a process server received may wait for its vault: warning',
    }),
    backlogCritical: duration({ default: '45min', min: '10s', max: '7d', help: 'The same: critical' }),
  }),
  balance: section('Process servers that are lost, drained or out of reach.', {
    reassignAfter: duration({
      default: '5min',
      min: '1s',
      max: '7d',
      help: 'How long a process server may be away, or out of reach of a machine, before its machines are moved to others that hold the vault',
    }),
    interval: duration({ default: '5s', min: '100ms', max: '5min', help: 'Time between two looks' }),
  }),
  notification: section('Who is told of events, by e-mail and webhook.', {
    severity: oneOf(['information', 'warning', 'critical'], {
      default: 'warning',
      help: 'Events from this severity on; ends of alerts always',
    }),
  }),
  email: section('E-mail by SMTP.', {
    server: address({ optional: true, help: 'Mail server; without one no e-mail is sent' }),
    security: oneOf(['tls', 'starttls', 'none'], {
      default: 'starttls',
      help: 'How the connection is secured; none is for a server on this machine',
    }),
    from: text({ optional: true, help: 'Sender', pattern: /^[^\s<>@]+@[^\s<>@]+$/, means: 'an e-mail address' }),
    to: list(text({ help: 'Address', pattern: /^[^\s<>@]+@[^\s<>@]+$/, means: 'an e-mail address' }), { help: 'Receivers' }),
    user: text({ optional: true, help: 'Name to sign in with at the mail server' }),
    password: secret({ optional: true, help: 'Its password' }),
    certificateAuthorities: filePath({ optional: true, help: 'PEM file of authorities to trust beside those of the machine' }),
  }),
  webhook: section('Events by HTTP POST, as JSON.', {
    url: url({ optional: true, schemes: ['https', 'http'], help: 'Where to; without one nothing is sent' }),
    secret: secret({ optional: true, help: 'Signs what is sent: header x-holdfast-signature, see docs/operations.md' }),
    certificateAuthorities: filePath({ optional: true, help: 'PEM file of authorities to trust beside those of the machine' }),
  }),
  backup: section('Backups of this server, encrypted; holdfast-configuration-server restore takes one up.', {
    passphrase: secret({ optional: true, help: 'What they are encrypted with; keep it elsewhere too, nothing opens them without it' }),
    directory: filePath({
      optional: true,
      help: 'Where they are written by themselves, best on another machine; without it they are made by holdfast backup only',
    }),
    interval: duration({ default: '1h', min: '1s', max: '30d', help: 'Time between two' }),
    keep: integer({ default: '48', min: 1, max: 10_000, help: 'How many stay, in the directory and in each vault; the oldest go first' }),
    intoVaults: flag({
      default: true,
      help: 'Whether process servers put backups into the vaults they hold, once there is a passphrase',
    }),
    vaultPace: duration({
      default: '5min',
      min: '1s',
      max: '30d',
      help: 'Least time between two backups into a vault; they are made after changes',
    }),
  }),
  reconciliation: section('What happens after a restore: nothing is told to members until this server knows what it has to know.', {
    settle: duration({
      default: '5min',
      min: '0s',
      max: '7d',
      help: 'How long members get to connect before it is said that nothing is missing; holdfast restore confirm ends the wait at once',
    }),
  }),
  history: section('What is kept of the past.', {
    events: integer({ default: '100000', min: 100, max: 10_000_000, help: 'Events kept; the oldest go first' }),
    audit: integer({ default: '100000', min: 100, max: 10_000_000, help: 'Audit records kept; the oldest go first' }),
    changes: integer({
      default: '10000',
      min: 100,
      max: 1_000_000,
      help: 'Changes kept for those who watch; whoever was away for longer has to read everything anew',
    }),
    jobs: integer({ default: '10000', min: 10, max: 1_000_000, help: 'Ended jobs kept; the oldest go first' }),
  }),
  install: section('Bundles of programs for machines that join, served under /install/.', {
    directory: filePath({ optional: true, help: 'Directory with the bundles and their SHA256SUMS; without it nothing is served' }),
  }),
  localProcessServer: section('A process server on this machine, started and looked after by this program and joined by itself.', {
    enabled: flag({ default: false, help: 'Whether it runs' }),
    command: list(text({ help: 'A word' }), {
      default: ['holdfast-process-server'],
      help: 'The program, and words before its own arguments',
    }),
    config: filePath({ optional: true, help: 'Its settings file; without one it uses its default' }),
    stateDirectory: filePath({ default: '/var/lib/holdfast/process-server', help: 'Its state directory' }),
  }),
};

export type Settings = typeof settings;
