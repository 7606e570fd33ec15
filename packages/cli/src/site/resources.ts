import type { Machine, Policy, Protection, Server, Vault } from '@holdfast/protocol';
import { chooseResource, type Kind } from '../choose/choose-resource.ts';
import { readPages } from './read-pages.ts';
import type { Site } from './site.ts';

export const MACHINE: Kind = { one: 'machine', many: 'machines', missing: 'MACHINE_NOT_FOUND' };
export const POLICY: Kind = { one: 'policy', many: 'policies' };
export const SERVER: Kind = { one: 'server', many: 'servers' };
export const VAULT: Kind = { one: 'vault', many: 'vaults' };

export const readMachines = ({ machines }: Site, limit?: number): Promise<Machine[]> =>
  readPages(async (request) => {
    const { machines: rows, nextPageToken } = await machines.listMachines(request);
    return { rows, nextPageToken };
  }, limit);

export const readProtections = ({ protections }: Site): Promise<Protection[]> =>
  readPages(async (request) => {
    const { protections: rows, nextPageToken } = await protections.listProtections(request);
    return { rows, nextPageToken };
  });

export const readPolicies = ({ policies }: Site, limit?: number): Promise<Policy[]> =>
  readPages(async (request) => {
    const { policies: rows, nextPageToken } = await policies.listPolicies(request);
    return { rows, nextPageToken };
  }, limit);

export const readServers = ({ servers }: Site, limit?: number): Promise<Server[]> =>
  readPages(async (request) => {
    const { servers: rows, nextPageToken } = await servers.listServers(request);
    return { rows, nextPageToken };
  }, limit);

export const readVaults = ({ vaults }: Site, limit?: number): Promise<Vault[]> =>
  readPages(async (request) => {
    const { vaults: rows, nextPageToken } = await vaults.listVaults(request);
    return { rows, nextPageToken };
  }, limit);

/** The machine meant by name, id or the beginning of its id. */
export const findMachine = async (site: Site, word: string): Promise<Machine> => chooseResource(await readMachines(site), word, MACHINE);
export const findPolicy = async (site: Site, word: string): Promise<Policy> => chooseResource(await readPolicies(site), word, POLICY);
export const findServer = async (site: Site, word: string): Promise<Server> => chooseResource(await readServers(site), word, SERVER);
export const findVault = async (site: Site, word: string): Promise<Vault> => chooseResource(await readVaults(site), word, VAULT);
