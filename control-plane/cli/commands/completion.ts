// Owns `freehold completion`: a script for bash, zsh or fish, made of the command tree. It holds words only and asks no server.
import { type Command, InvalidArgumentError } from 'commander';
import { action, type Io } from '../cli.ts';

const shells = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof shells)[number];

export function addCompletion(program: Command, io: Io): void {
  program
    .command('completion')
    .summary('print a completion script for a shell')
    .description('Prints a completion script, for example: source <(freehold completion bash)')
    .argument('<shell>', 'bash, zsh or fish', shellOf)
    .action(action(io, async (cli, shell: Shell) => cli.print(completionScript(program, shell))));
}

/** Every place of the tree: the words that lead there, and the words that may follow. */
export function completionTable(program: Command): { at: string; words: string[] }[] {
  const globals = optionNames(program);
  const walk = (command: Command, trail: readonly string[]): { at: string; words: string[] }[] => {
    const own = trail.length === 0 ? [] : optionNames(command);
    const words = [...command.commands.map((each) => each.name()), ...own, ...globals, '--help'];
    return [{ at: trail.join(' '), words }, ...command.commands.flatMap((each) => walk(each, [...trail, each.name()]))];
  };
  return walk(program, []);
}

export function completionScript(program: Command, shell: Shell): string {
  const table = completionTable(program);
  if (shell === 'fish') return fishScript(table);
  const cases = table.map(({ at, words }) => `    '${at}') choices='${words.join(' ')}' ;;`).join('\n');
  const places = table.filter(({ at }) => at !== '').map(({ at }) => `'${at}'`);
  return shell === 'bash' ? bashScript(cases, places) : zshScript(cases, places);
}

/** The place is found by joining the words typed so far that are known together; options and values are passed over. */
function bashScript(cases: string, places: readonly string[]): string {
  return `# freehold completion for bash: source <(freehold completion bash)
_freehold() {
  local at='' next word choices
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    next="\${at:+$at }$word"
    case "$next" in ${places.join('|')}) at="$next" ;; esac
  done
  case "$at" in
${cases}
  esac
  COMPREPLY=($(compgen -W "$choices" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _freehold freehold
`;
}

function zshScript(cases: string, places: readonly string[]): string {
  return `#compdef freehold
# freehold completion for zsh: source <(freehold completion zsh)
_freehold() {
  local at='' next word choices
  for word in "\${(@)words[2,CURRENT-1]}"; do
    next="\${at:+$at }$word"
    case "$next" in ${places.join('|')}) at="$next" ;; esac
  done
  case "$at" in
${cases}
  esac
  compadd -- \${=choices}
}
compdef _freehold freehold
`;
}

function fishScript(table: readonly { at: string; words: string[] }[]): string {
  const cases = table.map(({ at, words }) => `        case '${at}'\n            printf '%s\\n' ${words.join(' ')}`);
  const places = table.filter(({ at }) => at !== '').map(({ at }) => `'${at}'`);
  return `# freehold completion for fish: freehold completion fish | source
function __freehold_words
    set -l at ''
    for word in (commandline -opc)[2..-1]
        set -l next (string trim -- "$at $word")
        if contains -- "$next" ${places.join(' ')}
            set at $next
        end
    end
    switch "$at"
${cases.join('\n')}
    end
end
complete -c freehold -f -a '(__freehold_words)'
`;
}

function optionNames(command: Command): string[] {
  return command.options.map((option) => option.long).filter((name): name is string => typeof name === 'string');
}

function shellOf(text: string): Shell {
  const shell = shells.find((each) => each === text);
  if (shell === undefined) throw new InvalidArgumentError('Choose bash, zsh or fish.');
  return shell;
}
