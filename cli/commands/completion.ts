import type { Command } from '../command.ts'
import { CliError } from '../errors.ts'
import { exitCodes } from '../exit-codes.ts'

/** Each asks `media __complete` for what may come next, and falls back to files. */
const scripts: Record<string, string> = {
  bash: `_media_complete() {
  local IFS=$'\\n' current=\${COMP_WORDS[COMP_CWORD]} found
  found=$("\${COMP_WORDS[0]}" __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null | cut -f 1)
  COMPREPLY=($(compgen -W "$found" -- "$current"))
  [ \${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- "$current"))
}
complete -o filenames -F _media_complete media
`,
  zsh: `#compdef media
_media() {
  local -a found
  local line
  for line in "\${(@f)$(media __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    [[ -n $line ]] && found+=("\${line%%$'\\t'*}:\${line#*$'\\t'}")
  done
  if (( \${#found} )); then _describe 'media' found; else _files; fi
}
compdef _media media
`,
  fish: `function __media_complete
    set -l words (commandline -opc)[2..] (commandline -ct)
    media __complete -- $words 2>/dev/null
end
complete -c media -a '(__media_complete)'
`,
}

export const completion: Command = {
  name: 'completion',
  summary: 'Prints what makes a shell complete commands and options.',
  takes: { words: 'SHELL', min: 1, max: 1, completes: Object.keys(scripts) },
  options: {},
  calls: false,
  examples: [
    ['eval "$(media completion bash)"', 'in ~/.bashrc'],
    ['eval "$(media completion zsh)"', 'in ~/.zshrc, after compinit'],
    ['media completion fish | source', 'in config.fish'],
  ],
  run: async ({ args, screen }) => {
    const script = scripts[args[0] ?? '']
    if (!script) throw new CliError(`\`media completion\` knows ${Object.keys(scripts).join(', ')}; not "${args[0]}".`)
    screen.out.write(script)
    return exitCodes.done
  },
}
