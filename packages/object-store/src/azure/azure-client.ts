import http from 'node:http';
import https from 'node:https';
import { getCACertificates } from 'node:tls';
import type { BlobServiceClient, ContainerClient, Pipeline, StoragePipelineOptions } from '@azure/storage-blob';
import { HoldfastError } from '@holdfast/errors';
import { type AzureAccess, type AzureCredential, resolveAccess } from './azure-credential.ts';
import type { AzurePlace } from './azure-place.ts';

/** How the service is reached. */
export interface AzureNetwork {
  /** `http://[USER:PASSWORD@]HOST:PORT`; unless told HTTPS_PROXY, HTTP_PROXY and NO_PROXY of the environment count. */
  readonly proxy?: string;
  /** Certificates (PEM) to be trusted beside those the machine trusts: of a proxy that looks inside, of an emulator. */
  readonly certificateAuthorities?: string;
}

/** Clients of one container, made anew when the secret changes, all over the same connections. */
export interface AzureClient {
  /** Errors: SETTING_INVALID, NO_PERMISSION. */
  container(): Promise<ContainerClient>;
  /** The account that it is in. Errors: the same. */
  service(): Promise<BlobServiceClient>;
  /** What must not be seen in any message. */
  secrets(): readonly string[];
  /** Ends all connections. */
  close(): void;
}

export const createAzureClient = (place: AzurePlace, credential: AzureCredential, network: AzureNetwork): AzureClient => {
  const agent = createAgent(place, network);
  let known: { readonly access: AzureAccess; readonly client: Promise<ContainerClient> } | undefined;
  return {
    container: async () => {
      const access = await resolveAccess(credential, place);
      if (known === undefined || secretOf(known.access) !== secretOf(access)) {
        const client = connect(place, access, agent);
        known = { access, client };
        // What failed once, like loading the SDK, is tried again by the next request.
        client.catch(() => (known = undefined));
      }
      return known.client;
    },
    service: async () => {
      const access = await resolveAccess(credential, place);
      const { BlobServiceClient } = await import('@azure/storage-blob');
      return new BlobServiceClient(`${place.endpoint}${queryOf(access)}`, await createPipeline(place, access, agent));
    },
    secrets: () => [...secretsOf(known?.access), ...passwordOf(network.proxy)],
    close: () => agent.destroy(),
  };
};

const secretOf = (access: AzureAccess): string | undefined => (access.kind === 'identity' ? undefined : access.secret);

/** A SAS is mostly public, its signature is not. */
const secretsOf = (access: AzureAccess | undefined): string[] => {
  const secret = access && secretOf(access);
  if (secret === undefined) return [];
  return access?.kind === 'sas' ? [secret, new URLSearchParams(secret).get('sig')!] : [secret];
};

const passwordOf = (proxy: string | undefined): string[] => {
  const password = URL.parse(proxy ?? '')?.password;
  return password ? [decodeURIComponent(password)] : [];
};

const createAgent = ({ endpoint }: AzurePlace, { proxy, certificateAuthorities }: AzureNetwork): http.Agent => {
  if (proxy !== undefined && !/^https?:$/.test(URL.parse(proxy)?.protocol ?? ''))
    throw new HoldfastError('SETTING_INVALID', {
      thing: 'proxy',
      why: 'it is not the URL of an HTTP proxy',
      remedy: 'give it like http://proxy.example:3128',
    });
  const proxyEnv = proxy === undefined ? process.env : { HTTP_PROXY: proxy, HTTPS_PROXY: proxy };
  const ca = certificateAuthorities === undefined ? undefined : [...getCACertificates('default'), certificateAuthorities];
  const options = { keepAlive: true, proxyEnv };
  return endpoint.startsWith('https:') ? new https.Agent({ ...options, ca }) : new http.Agent(options);
};

const connect = async (place: AzurePlace, access: AzureAccess, agent: http.Agent): Promise<ContainerClient> => {
  const pipeline = await createPipeline(place, access, agent);
  const { ContainerClient } = await import('@azure/storage-blob');
  return new ContainerClient(`${place.endpoint}/${place.container}${queryOf(access)}`, pipeline);
};

const queryOf = (access: AzureAccess): string => (access.kind === 'sas' ? `?${access.secret}` : '');

/** The SDK takes a fifth of a second and 40 MB to load, so that waits until somebody really talks to Azure. */
const createPipeline = async (place: AzurePlace, access: AzureAccess, agent: http.Agent): Promise<Pipeline> => {
  const { AnonymousCredential, newPipeline, StorageSharedKeyCredential } = await import('@azure/storage-blob');
  // One try: `withRetry` has to see every attempt. The agent is no part of the storage SDK's type, but of the pipeline it builds.
  const options: StoragePipelineOptions & { agent: http.Agent } = { retryOptions: { maxTries: 1 }, agent };
  switch (access.kind) {
    case 'key':
      return newPipeline(new StorageSharedKeyCredential(place.account, access.secret), options);
    case 'sas':
      return newPipeline(new AnonymousCredential(), options);
    case 'identity': {
      const { DefaultAzureCredential } = await import('@azure/identity');
      const { clientId } = access;
      return newPipeline(new DefaultAzureCredential(clientId === undefined ? {} : { managedIdentityClientId: clientId }), options);
    }
  }
};
