import { VERSION } from '@holdfast/daemon';
import { Command, Help, type Option } from 'commander';
import { listContextsCommand, showContextCommand, useContextCommand } from './access/context.ts';
import { loginCommand } from './access/login.ts';
import { logoutCommand } from './access/logout.ts';
import { passwordCommand } from './access/password.ts';
import { whoamiCommand } from './access/whoami.ts';
import { createAccessCommand, listAccessesCommand, revokeAccessCommand } from './access-token/commands.ts';
import { acknowledgeAlertCommand, listAlertsCommand, silenceAlertCommand } from './alert/commands.ts';
import { listAuditCommand } from './audit/list.ts';
import { rotateAuthorityCommand, showAuthorityCommand } from './authority/commands.ts';
import { backupCommand } from './backup/backup.ts';
import { completionCommand } from './completion/completion.ts';
import { listDisksCommand } from './disk/list.ts';
import { doctorCommand } from './doctor/doctor.ts';
import { listEventsCommand } from './event/list.ts';
import { watchEventsCommand } from './event/watch.ts';
import {
  cancelFailoverCommand,
  changePointCommand,
  cleanUpCommand,
  commitFailoverCommand,
  startFailoverCommand,
  testFailoverCommand,
} from './failover/commands.ts';
import { getFilesCommand, listFilesCommand } from './files/commands.ts';
import { answerJobCommand, cancelJobCommand, listJobsCommand, retryJobCommand, showJobCommand, watchJobCommand } from './job/commands.ts';
import { checkMachineCommand } from './machine/check.ts';
import { listMachinesCommand } from './machine/list.ts';
import { moveMachineCommand } from './machine/move.ts';
import { machineOperationsCommand } from './machine/operations.ts';
import { makePointCommand } from './machine/point.ts';
import { removeMachineCommand } from './machine/remove.ts';
import { renameMachineCommand } from './machine/rename.ts';
import { resyncMachineCommand } from './machine/resync.ts';
import { showMachineCommand } from './machine/show.ts';
import {
  checkPlanCommand,
  cleanUpRunCommand,
  createPlanCommand,
  deletePlanCommand,
  listPlansCommand,
  listRunsCommand,
  reportRunCommand,
  runPlanCommand,
  setPlanCommand,
  showPlanCommand,
} from './plan/commands.ts';
import { listPointsCommand } from './point/list.ts';
import { provePointCommand } from './point/prove.ts';
import { createPolicyCommand, deletePolicyCommand, listPoliciesCommand, setPolicyCommand, showPolicyCommand } from './policy/commands.ts';
import { protectCommand } from './protection/protect.ts';
import { setMachineCommand } from './protection/set.ts';
import { unprotectCommand } from './protection/unprotect.ts';
import { recoverCommand } from './recover/recover.ts';
import { forgetRecoveryCommand, listRecoveriesCommand, showRecoveryCommand, startRecoveryCommand } from './recovery/commands.ts';
import { confirmRestoreCommand, restoreStatusCommand } from './restore/commands.ts';
import { drainServerCommand, listServersCommand, removeServerCommand, revokeServerCommand, showServerCommand } from './server/commands.ts';
import {
  decommissionVaultCommand,
  listVaultsCommand,
  readmitVaultCommand,
  renameVaultCommand,
  showVaultCommand,
} from './site-vault/commands.ts';
import { supportBundleCommand } from './support/support-bundle.ts';
import type { Surroundings } from './surroundings.ts';
import { createTokenCommand, listTokensCommand, revokeTokenCommand } from './token/commands.ts';
import { createUserCommand, deleteUserCommand, listUsersCommand, setUserCommand } from './user/commands.ts';
import { checkCommand } from './vault/check.ts';
import { copyCommand } from './vault/copy.ts';
import { createCommand } from './vault/create.ts';
import { exportCommand } from './vault/export.ts';
import { headCommand } from './vault/head.ts';
import { holdCommand, releaseCommand } from './vault/holds.ts';
import { inspectCommand } from './vault/inspect.ts';
import { keepCommand } from './vault/keep.ts';
import { mountCommand } from './vault/mount.ts';
import { pointsCommand } from './vault/points.ts';
import { rebuildCatalogueCommand } from './vault/rebuild-catalogue.ts';
import { repairCommand } from './vault/repair.ts';
import { scrubCommand } from './vault/scrub.ts';
import { serveCommand } from './vault/serve.ts';
import { statsCommand } from './vault/stats.ts';
import { undeleteCommand } from './vault/undelete.ts';
import { validateStoreCommand } from './vault/validate-store.ts';
import { vaultKeyCommand } from './vault-key/command.ts';
import { versionCommand } from './version.ts';

const HELP = `
Begin here:
  holdfast login --server https://holdfast.example.com --fingerprint 5f3c…
  holdfast token create --role agent        prints the lines that make a machine join
  holdfast protect db1 --vault office --wait
  holdfast machine list --watch

When everything else is lost, with the vault and its key alone:
  holdfast recover --vault file:/srv/vault --key-file office.key

\`holdfast COMMAND --help\` tells more, with examples. Exit status: 0 well, 1 what was looked at
is not well, 2 and above an error; each error begins with its [CODE].`;

const VAULT_HELP = `
A vault holds the history of machines, encrypted, in a folder or an Azure container. \`list\`, \`show\`,
\`rename\`, \`decommission\` and \`readmit\` are about the vaults of the site you are logged in at; all others work
on a vault alone, by its place and key, and need no server. \`holdfast vault COMMAND --help\` tells
more, with examples.`;

type Make = (surroundings: Surroundings) => Command;

const VAULT_TOOLS: readonly Make[] = [
  keepCommand,
  scrubCommand,
  repairCommand,
  rebuildCatalogueCommand,
  mountCommand,
  copyCommand,
  statsCommand,
  undeleteCommand,
  validateStoreCommand,
  headCommand,
  holdCommand,
  releaseCommand,
];

const SITE_VAULTS: readonly Make[] = [
  listVaultsCommand,
  showVaultCommand,
  renameVaultCommand,
  decommissionVaultCommand,
  readmitVaultCommand,
];

/** Nouns and their verbs, as help lists them. */
const NOUNS: readonly { readonly noun: string; readonly says: string; readonly help?: string; readonly verbs: readonly Make[] }[] = [
  {
    noun: 'machine',
    says: 'the machines, and how safe they are',
    verbs: [
      listMachinesCommand,
      showMachineCommand,
      checkMachineCommand,
      makePointCommand,
      setMachineCommand,
      moveMachineCommand,
      renameMachineCommand,
      resyncMachineCommand,
      machineOperationsCommand,
      removeMachineCommand,
    ],
  },
  { noun: 'disk', says: 'their disks', verbs: [listDisksCommand] },
  { noun: 'point', says: 'their recovery points', verbs: [listPointsCommand, provePointCommand] },
  {
    noun: 'failover',
    says: 'start machines at the recovery site, as a test or for good',
    verbs: [testFailoverCommand, cleanUpCommand, startFailoverCommand, changePointCommand, cancelFailoverCommand, commitFailoverCommand],
  },
  {
    noun: 'plan',
    says: 'several machines at once: groups, order, scripts, and what it took',
    verbs: [
      listPlansCommand,
      showPlanCommand,
      createPlanCommand,
      setPlanCommand,
      deletePlanCommand,
      checkPlanCommand,
      runPlanCommand,
      listRunsCommand,
      reportRunCommand,
      cleanUpRunCommand,
    ],
  },
  {
    noun: 'recovery',
    says: 'test failovers and failovers: those that run, and those there were',
    verbs: [listRecoveriesCommand, showRecoveryCommand, startRecoveryCommand, forgetRecoveryCommand],
  },
  {
    noun: 'policy',
    says: 'how machines are protected',
    verbs: [listPoliciesCommand, showPolicyCommand, createPolicyCommand, setPolicyCommand, deletePolicyCommand],
  },
  {
    noun: 'server',
    says: 'the process servers',
    verbs: [listServersCommand, showServerCommand, drainServerCommand, removeServerCommand, revokeServerCommand],
  },
  { noun: 'token', says: 'tokens that let machines and servers join', verbs: [createTokenCommand, listTokensCommand, revokeTokenCommand] },
  { noun: 'user', says: 'people who sign in', verbs: [listUsersCommand, createUserCommand, setUserCommand, deleteUserCommand] },
  { noun: 'access', says: 'tokens of tools that call the API', verbs: [listAccessesCommand, createAccessCommand, revokeAccessCommand] },
  { noun: 'audit', says: 'who changed what', verbs: [listAuditCommand] },
  { noun: 'authority', says: 'the certificate authority', verbs: [showAuthorityCommand, rotateAuthorityCommand] },
  {
    noun: 'restore',
    says: 'a configuration server that was restored',
    verbs: [restoreStatusCommand, confirmRestoreCommand],
  },
  {
    noun: 'job',
    says: 'what is being done',
    verbs: [listJobsCommand, showJobCommand, watchJobCommand, answerJobCommand, retryJobCommand, cancelJobCommand],
  },
  { noun: 'alert', says: 'what is not well now', verbs: [listAlertsCommand, acknowledgeAlertCommand, silenceAlertCommand] },
  { noun: 'event', says: 'what happened', verbs: [listEventsCommand, watchEventsCommand] },
  {
    noun: 'vault',
    says: 'the vaults of the site; make, look into, check and read one',
    help: VAULT_HELP,
    verbs: [
      ...SITE_VAULTS,
      createCommand,
      pointsCommand,
      exportCommand,
      serveCommand,
      checkCommand,
      inspectCommand,
      ...VAULT_TOOLS,
      vaultKeyCommand,
    ],
  },
  { noun: 'files', says: 'files out of a recovery point', verbs: [listFilesCommand, getFilesCommand] },
  {
    noun: 'context',
    says: 'the configuration servers you are logged in at',
    verbs: [listContextsCommand, useContextCommand, showContextCommand],
  },
];

const ALONE: readonly Make[] = [
  protectCommand,
  unprotectCommand,
  recoverCommand,
  loginCommand,
  logoutCommand,
  whoamiCommand,
  passwordCommand,
  backupCommand,
  doctorCommand,
  supportBundleCommand,
  versionCommand,
];

/** The whole command. */
export const createProgram = (surroundings: Surroundings): Command => {
  const nouns = NOUNS.map(({ noun, says, help = '', verbs }) =>
    group(
      new Command(noun).description(says).addHelpText('after', help),
      verbs.map((make) => make(surroundings)),
    ),
  );
  const program = group(
    new Command('holdfast').description('Disaster recovery for servers: protect them, look after them, recover them.'),
    [...nouns, ...ALONE.map((make) => make(surroundings)), completionCommand(surroundings, () => program)],
  );
  // What stands behind a command belongs to it: `recover` and `recover inspect` have options of the same names.
  program
    .enablePositionalOptions()
    .addHelpText('after', HELP)
    .version(`holdfast ${VERSION}`, '-V, --version', 'tell which version this is');
  settleAll(program, surroundings);
  return program;
};

const group = (parent: Command, children: readonly Command[]): Command => {
  for (const child of children) parent.addCommand(child);
  return parent;
};

/** Options that many commands have stand below their own. */
const COMMON = ['--context', '--output', '--help', '--version'];
const commonLast = (options: readonly Option[]): Option[] => [
  ...options.filter(({ long }) => !COMMON.includes(long ?? '')),
  ...options.filter(({ long }) => COMMON.includes(long ?? '')),
];

const settleAll = (command: Command, surroundings: Surroundings): void => {
  settle(command, surroundings);
  for (const child of command.commands) settleAll(child, surroundings);
};

/** Commander shall end no process and write no error of its own. */
const settle = (command: Command, { stdout, stderr }: Surroundings): void => {
  command.configureHelp({ visibleOptions: (of) => commonLast(new Help().visibleOptions(of)) });
  command.exitOverride().configureOutput({
    writeOut: (text) => stdout.write(text),
    // Errors are thrown and told by whoever runs the program; help that nobody asked for is all that comes here.
    writeErr: (text) => stderr.write(text),
    outputError: () => {},
    getOutHelpWidth: () => stdout.columns || 100,
    getErrHelpWidth: () => stderr.columns || 100,
  });
};
