package cli

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

// completion returns the completion of a shell: bash, zsh or fish.
func completion(app *kong.Application, shell string) string {
	nodes := []*kong.Node{app.Node}
	for _, n := range shown(app.Node) {
		nodes = append(append(nodes, n), shown(n)...)
	}
	switch shell {
	case "bash":
		return bash(nodes)
	case "zsh":
		return zsh(nodes)
	}
	return fish(nodes)
}

// takesFile reports whether a flag's value is the name of a file.
func takesFile(f *kong.Flag) bool {
	return strings.HasSuffix(f.Name, "-file") || f.PlaceHolder == "FILE" || f.Name == "config"
}

// valuesOf returns the values that a flag may have, nil if they are not listed.
func valuesOf(f *kong.Flag) []string {
	var list []string
	for _, v := range f.EnumSlice() {
		if v != "" {
			list = append(list, v)
		}
	}
	return list
}

// shellWord returns a text as one word of any of the shells.
func shellWord(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// findsCommand is the part of bash and zsh that finds the command in the words before the cursor: loop
// goes through them, and word is one.
func findsCommand(nodes []*kong.Node, loop, word string) string {
	var paths []string
	for _, n := range nodes[1:] {
		paths = append(paths, `"`+pathOf(n)+`"`)
	}
	return "  for ((" + loop + ")); do\n    w=" + word + "\n    case \"${cmd:+$cmd }$w\" in\n      " + strings.Join(paths, " | ") + ") cmd=\"${cmd:+$cmd }$w\" ;;\n    esac\n  done\n"
}

// valueCases are the branches for a word after a flag that has a value.
func valueCases(nodes []*kong.Node, values func(list []string) string, files, nothing string) string {
	var b strings.Builder
	for _, n := range nodes {
		for _, f := range flagsOf(n) {
			if f.IsBool() {
				continue
			}
			do := nothing
			switch list := valuesOf(f); {
			case len(list) > 0:
				do = values(list)
			case takesFile(f):
				do = files
			}
			fmt.Fprintf(&b, "    %s) %s; return ;;\n", shellWord(pathOf(n)+":--"+f.Name), do)
		}
	}
	return b.String()
}

func bash(nodes []*kong.Node) string {
	var b strings.Builder
	b.WriteString("# bash completion of lagerd\n_lagerd() {\n  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} cmd= w i subs= flags=\n" +
		"  COMPREPLY=()\n" +
		"  # bash divides --flag=value into three words.\n" +
		"  if [ \"$cur\" = = ]; then cur=; elif [ \"$prev\" = = ]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi\n")
	b.WriteString(findsCommand(nodes, "i = 1; i < COMP_CWORD; i++", "${COMP_WORDS[i]}"))
	b.WriteString("  case \"$cmd:$prev\" in\n" + valueCases(nodes, func(list []string) string {
		return "COMPREPLY=($(compgen -W " + shellWord(strings.Join(list, " ")) + " -- \"$cur\"))"
	}, "COMPREPLY=($(compgen -f -- \"$cur\"))", "COMPREPLY=()") + "  esac\n  case \"$cmd\" in\n")
	for _, n := range nodes {
		var subs, flags []string
		for _, s := range shown(n) {
			subs = append(subs, s.Name)
		}
		for _, f := range flagsOf(n) {
			flags = append(flags, "--"+f.Name)
		}
		fmt.Fprintf(&b, "    %s) subs=%s flags=%s ;;\n", shellWord(pathOf(n)), shellWord(strings.Join(subs, " ")), shellWord(strings.Join(flags, " ")))
	}
	b.WriteString("  esac\n  if [[ $cur == -* ]]; then subs=$flags; fi\n  COMPREPLY=($(compgen -W \"$subs\" -- \"$cur\"))\n}\ncomplete -F _lagerd lagerd\n")
	return b.String()
}

func zsh(nodes []*kong.Node) string {
	var b strings.Builder
	described := func(name, help string) string { return shellWord(strings.ReplaceAll(name, ":", `\:`) + ":" + help) }
	b.WriteString("#compdef lagerd\n_lagerd() {\n  local cmd= w i prev=${words[CURRENT-1]}\n  local -a subs flags\n")
	b.WriteString(findsCommand(nodes, "i = 2; i < CURRENT; i++", "${words[i]}"))
	b.WriteString("  case \"$cmd:$prev\" in\n" + valueCases(nodes, func(list []string) string { return "compadd -- " + strings.Join(list, " ") }, "_files", ":") + "  esac\n  case \"$cmd\" in\n")
	for _, n := range nodes {
		var subs, flags []string
		for _, s := range shown(n) {
			subs = append(subs, described(s.Name, s.Help))
		}
		for _, f := range flagsOf(n) {
			flags = append(flags, described("--"+f.Name, f.Help))
		}
		fmt.Fprintf(&b, "    %s) subs=(%s) flags=(%s) ;;\n", shellWord(pathOf(n)), strings.Join(subs, " "), strings.Join(flags, " "))
	}
	b.WriteString("  esac\n  if [[ ${words[CURRENT]} == -* ]]; then\n    _describe -t flags flag flags\n  elif (( ${#subs} )); then\n    _describe -t commands command subs\n  fi\n}\n" +
		"if [ \"$funcstack[1]\" = _lagerd ]; then _lagerd \"$@\"; else compdef _lagerd lagerd; fi\n")
	return b.String()
}

func fish(nodes []*kong.Node) string {
	var b strings.Builder
	var paths []string
	for _, n := range nodes[1:] {
		paths = append(paths, shellWord(pathOf(n)))
	}
	b.WriteString("# fish completion of lagerd\nfunction __lagerd_at\n  set -l cmd ''\n  for w in (commandline -opc)[2..-1]\n    set -l next (string trim \"$cmd $w\")\n" +
		"    if contains -- \"$next\" " + strings.Join(paths, " ") + "\n      set cmd $next\n    end\n  end\n  test \"$cmd\" = \"$argv[1]\"\nend\ncomplete -c lagerd -f\n")
	for _, n := range nodes {
		at := "complete -c lagerd -n " + shellWord("__lagerd_at "+`"`+pathOf(n)+`"`)
		for _, s := range shown(n) {
			fmt.Fprintf(&b, "%s -a %s -d %s\n", at, s.Name, shellWord(s.Help))
		}
		for _, f := range flagsOf(n) {
			more := ""
			switch list := valuesOf(f); {
			case f.IsBool():
			case len(list) > 0:
				more = " -x -a " + shellWord(strings.Join(list, " "))
			case takesFile(f):
				more = " -r -F"
			default:
				more = " -x"
			}
			fmt.Fprintf(&b, "%s -l %s%s -d %s\n", at, f.Name, more, shellWord(f.Help))
		}
	}
	return b.String()
}
