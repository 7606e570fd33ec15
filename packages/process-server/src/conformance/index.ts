export { type ScriptedAgent, type ScriptedAgentOptions, startScriptedAgent } from './scripted-agent.ts';
export { type ScriptedCut, ScriptedSource, type ScriptedSourceOptions } from './scripted-source.ts';
export { createServerSite, type ServerSite, type ServerSiteOptions } from './server-site.ts';
export { verifyCuts } from './verify-cuts.ts';
