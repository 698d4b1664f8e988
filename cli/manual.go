package cli

import (
	"cmp"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/alecthomas/kong"
)

// manualCmd writes what `make install` installs beside the binary. It is hidden: people read the
// results.
type manualCmd struct {
	What    string `arg:"" enum:"lagerd.1,lagerd.yaml.5,bash,zsh,fish" help:"What to write."`
	Example string `help:"config.example.yaml, for lagerd.yaml.5." placeholder:"FILE"`
}

func (cmd manualCmd) Run(c *call, k *kong.Context) error {
	var text string
	switch cmd.What {
	case "lagerd.1":
		text = manual(k.Model, thisBuild())
	case "lagerd.yaml.5":
		raw, err := os.ReadFile(cmd.Example)
		if err != nil {
			return fmt.Errorf("read the example: %w", err)
		}
		text = configManual(string(raw), thisBuild())
	default:
		text = completion(k.Model, cmd.What)
	}
	_, err := fmt.Fprint(c.Stdout, text)
	return err
}

// roff returns text for a man page: nothing in it is a request or an escape.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", "").Replace(text)
	return regexp.MustCompile(`(?m)^\.`).ReplaceAllString(text, `\&.`)
}

// page begins a man page.
func page(b *strings.Builder, name, section, does string, is build) {
	day, _, _ := strings.Cut(is.date, "T")
	fmt.Fprintf(b, ".TH %s %s \"%s\" \"lagerd %s\"\n.SH NAME\n%s \\- %s\n", strings.ToUpper(roff(name)), section, roff(day), roff(is.version), roff(name), roff(does))
}

// manual is lagerd(1).
func manual(app *kong.Application, is build) string {
	var b strings.Builder
	page(&b, "lagerd", "1", "keeps a webshop's stock and invoice PDFs in MySQL equal to e-conomic's", is)
	b.WriteString(".SH SYNOPSIS\n.B lagerd\n[\\fB\\-\\-config\\fR=\\fIFILE\\fR] \\fICOMMAND\\fR [\\fIARGUMENT\\fR ...]\n" +
		".SH DESCRIPTION\n" + roff("lagerd run is the daemon. The other commands work through its database: run them as its user, as in sudo -u lagerd lagerd status.\n") +
		".SH OPTIONS\n")
	for _, f := range app.Node.Flags {
		flagEntry(&b, f)
	}
	b.WriteString(".SH COMMANDS\n")
	for _, n := range leaves(app.Node) {
		fmt.Fprintf(&b, ".SS \"lagerd %s\"\n%s\n", roff(strings.ReplaceAll(n.Summary(), `"`, "")), roff(n.Help))
		for paragraph := range strings.SplitSeq(n.Detail, "\n\n") {
			switch {
			case paragraph == "":
			case strings.HasPrefix(paragraph, "  "):
				fmt.Fprintf(&b, ".PP\n.nf\n%s\n.fi\n", roff(paragraph))
			default:
				fmt.Fprintf(&b, ".PP\n%s\n", roff(paragraph))
			}
		}
		for _, p := range n.Positional {
			fmt.Fprintf(&b, ".TP\n\\fI%s\\fR\n%s\n", roff(p.Name), roff(p.Help))
		}
		for at := n; at != nil && at.Parent != nil; at = at.Parent {
			for _, f := range at.Flags {
				flagEntry(&b, f)
			}
		}
		fmt.Fprintf(&b, ".PP\nExample:\n.PP\n.nf\n.RS\n%s\n.RE\n.fi\n", roff(examples()[pathOf(n)]))
	}
	b.WriteString(".SH EXIT STATUS\n")
	for _, e := range exitCodes() {
		fmt.Fprintf(&b, ".TP\n.B %d\n%s\n", e.code, roff(e.means))
	}
	b.WriteString(".SH FILES\n.TP\n.I /etc/lagerd/lagerd.yaml\nThe configuration: see\n.BR lagerd.yaml (5).\n" +
		".TP\n.I /var/lib/lagerd/lagerd.db\nThe embedded database, unless another one is configured.\n" +
		".TP\n.I /usr/share/doc/lagerd/operators.md\nThe manual for operators.\n" +
		".SH SEE ALSO\n.BR lagerd.yaml (5),\n.BR systemctl (1)\n")
	return b.String()
}

func flagEntry(b *strings.Builder, f *kong.Flag) {
	if !isListed(f) {
		return
	}
	name := "\\fB\\-\\-" + roff(f.Name) + "\\fR"
	if f.Short != 0 {
		name = fmt.Sprintf("\\fB\\-%c\\fR, ", f.Short) + name
	}
	if !f.IsBool() {
		name += "=\\fI" + roff(placeOf(f)) + "\\fR"
	}
	text := f.Help
	if len(f.Envs) > 0 {
		text += " ($" + strings.Join(f.Envs, ", $") + ")"
	}
	fmt.Fprintf(b, ".TP\n%s\n%s\n", name, roff(text))
}

// placeOf returns what stands for a flag's value.
func placeOf(f *kong.Flag) string { return cmp.Or(f.PlaceHolder, strings.ToUpper(f.Name)) }

// configManual is lagerd.yaml(5): the example's comments are its text.
func configManual(example string, is build) string {
	var b strings.Builder
	page(&b, "lagerd.yaml", "5", "the configuration of lagerd", is)
	b.WriteString(".SH DESCRIPTION\n")
	text, section := []string{}, ""
	say := func() {
		if len(text) > 0 {
			b.WriteString(roff(strings.Join(text, "\n")) + "\n")
		}
		text = nil
	}
	key := regexp.MustCompile(`^( *)(#?)([a-z_]+):( .*)?$`)
	for line := range strings.Lines(example) {
		line = strings.TrimRight(line, "\n")
		m := key.FindStringSubmatch(line)
		switch {
		case m == nil && strings.HasPrefix(strings.TrimSpace(line), "# "):
			text = append(text, strings.TrimPrefix(strings.TrimSpace(line), "# "))
		case m == nil: // an empty line
			if section == "" {
				say()
			}
		case m[1] == "" && m[4] == "": // a section
			section = m[3]
			fmt.Fprintf(&b, ".SH SECTION %s\n", strings.ToUpper(roff(section)))
			say()
		default:
			name := m[3]
			if m[1] == "" {
				section = ""
				b.WriteString(".SH \"KEY " + strings.ToUpper(roff(name)) + "\"\n")
			} else {
				name = section + "." + name
			}
			word := "default"
			if m[2] == "#" {
				word = "no default; for example"
			}
			fmt.Fprintf(&b, ".TP\n.B %s\n", roff(name))
			say()
			fmt.Fprintf(&b, ".br\n(%s: %s)\n", word, roff(strings.TrimSpace(m[4])))
		}
	}
	say()
	b.WriteString(".SH FILES\n.TP\n.I /etc/lagerd/lagerd.yaml\nThe file that lagerd reads, unless \\fB\\-\\-config\\fR or \\fBLAGERD_CONFIG\\fR names another.\n.SH SEE ALSO\n.BR lagerd (1)\n")
	return b.String()
}
