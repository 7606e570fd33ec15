export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/*
 * The scripts hold no commands themselves: they ask `holdfast` at each key, so that they fit every version of it. What it does not answer is left
 * to the shell, which offers files then.
 */
const BASH = `# holdfast completion bash >/etc/bash_completion.d/holdfast
_holdfast() {
  local IFS=$'\\n'
  COMPREPLY=($(holdfast completion bash --for -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _holdfast holdfast
`;

const ZSH = `#compdef holdfast
# holdfast completion zsh >"\${fpath[1]}/_holdfast"
_holdfast() {
  local -a found
  found=("\${(@f)$(holdfast completion zsh --for -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ -n "$found" ]]; then compadd -- $found; else _files; fi
}
if [[ "$funcstack[1]" = _holdfast ]]; then _holdfast; else compdef _holdfast holdfast; fi
`;

const FISH = `# holdfast completion fish >~/.config/fish/completions/holdfast.fish
complete -c holdfast -a '(holdfast completion fish --for -- (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'
`;

export const COMPLETION_SCRIPTS: Readonly<Record<Shell, string>> = { bash: BASH, zsh: ZSH, fish: FISH };
