package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"lagerd/lang"
)

//go:embed templates static
var files embed.FS

// sheet is what a handler shows: the template templates/NAME.html with its data, within the layout.
type sheet struct {
	Status int // 0: 200
	Name   string
	Title  lang.Text
	Data   any
	Once   bool   // it cannot be shown again: no button reloads it in another language
	Events string // path of the events after which the sheet's live parts are read again; "": none
}

// layout is what the layout's template shows around a sheet.
type layout struct {
	sheet
	Lang     lang.Lang
	Heading  string
	Path     string // of this page, to come back to
	Operator string // who is signed in; "": nobody
	ByProxy  bool   // a trusted proxy has signed the operator in
	Shop     string // of the owner; "": nobody
	Style    string
	Script   string
}

// At reports whether the page is the one at a path.
func (l layout) At(path string) bool { return strings.Split(l.Path, "?")[0] == path }

// Bilingual reports whether the page can be read in either language.
func (l layout) Bilingual() bool { return l.Operator == "" }

// templates are the sheets' templates in each language.
type templates map[lang.Lang]map[string]*template.Template

// parseTemplates parses each file of templates/ together with the layout, once for each language.
func parseTemplates() (templates, error) {
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		return nil, err
	}
	all := templates{}
	for _, l := range []lang.Lang{lang.Danish, lang.English} {
		all[l] = map[string]*template.Template{}
		for _, file := range names {
			name := strings.TrimSuffix(path.Base(file), ".html")
			if name == "layout" {
				continue
			}
			t, err := template.New(name).Funcs(functions(l)).ParseFS(files, "templates/layout.html", file)
			if err != nil {
				return nil, fmt.Errorf("parse the page %s: %w", name, err)
			}
			all[l][name] = t
		}
	}
	return all, nil
}

// show writes a sheet. It is written as a whole or not at all: an error leaves the answer to the
// caller.
func (p *Page) show(v *visit, s sheet) error {
	t := p.templates[v.lang][s.Name]
	if t == nil {
		return fmt.Errorf("there is no page %s in %s", s.Name, v.lang)
	}
	var text bytes.Buffer
	l := layout{sheet: s, Lang: v.lang, Heading: s.Title.In(v.lang), Path: v.r.URL.RequestURI(), Operator: v.operator.Name,
		ByProxy: v.operator.session.Who == "", Shop: v.owner.Shop, Style: p.assets["style.css"].path, Script: p.assets["page.js"].path}
	if v.r.Method != http.MethodGet || strings.HasPrefix(l.Path, linkPath) {
		l.Path = "/" // a link is in no page, and what was posted is not read again
	}
	if err := t.ExecuteTemplate(&text, "layout", l); err != nil {
		return fmt.Errorf("show the page %s: %w", s.Name, err)
	}
	v.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	v.w.Header().Set("Content-Language", string(v.lang))
	v.w.Header().Set("Vary", "Accept-Language, Cookie")
	if s.Status != 0 {
		v.w.WriteHeader(s.Status)
	}
	_, _ = v.w.Write(text.Bytes()) // a visitor who has gone away is nobody to tell
	return nil
}

// functions are what templates can call, in a language.
func functions(l lang.Lang) template.FuncMap {
	return template.FuncMap{
		// t chooses the text of the language: {{t "Lager" "Stock"}}.
		"t": func(danish, english string) string { return lang.Text{Danish: danish, English: english}.In(l) },
		// moment is a time in Denmark with its UTC for machines.
		"moment": func(at any) template.HTML { return momentOf(l, at) },
		"number": func(n any) string { return numberOf(l, n) },
	}
}

// momentOf formats a time as an element: 30. november 2026 kl. 12.05.09 or 30 Nov 2026, 12:05:09.
func momentOf(l lang.Lang, at any) template.HTML {
	var is time.Time
	switch at := at.(type) {
	case time.Time:
		is = at
	case *time.Time:
		if at != nil {
			is = *at
		}
	}
	if is.IsZero() {
		return template.HTML(lang.Text{Danish: "aldrig", English: "never"}.In(l)) //nolint:gosec // a constant
	}
	return template.HTML(`<time datetime="` + is.UTC().Format(time.RFC3339) + `">` + Moment(l, is) + `</time>`) //nolint:gosec // digits and names of months
}

// Moment formats a time in Denmark, to the second.
func Moment(l lang.Lang, at time.Time) string {
	at = at.In(lang.Denmark())
	if l == lang.English {
		return at.Format("2 Jan 2006, 15:04:05")
	}
	return lang.DanishDate(at) + at.Format(" 2006 kl. 15.04.05")
}

// numberOf formats a whole number with separators between thousands: 10.000 or 10,000.
func numberOf(l lang.Lang, n any) string {
	digits := fmt.Sprint(n)
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "-", digits[1:]
	}
	if _, err := strconv.ParseUint(digits, 10, 64); err != nil {
		return sign + digits
	}
	separator := lang.Text{Danish: ".", English: ","}.In(l)
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + separator + digits[at:]
	}
	return sign + digits
}

// asset is a file of static/.
type asset struct {
	kind    string // its media type
	content []byte
	path    string // with the hash of the content, so that a browser keeps the file until there is another
}

// readAssets returns the files of static/ by name.
func readAssets() (map[string]asset, error) {
	list, err := files.ReadDir("static")
	if err != nil {
		return nil, err
	}
	kinds := map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
	all := make(map[string]asset, len(list))
	for _, file := range list {
		name := file.Name()
		content, err := files.ReadFile("static/" + name)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(content)
		all[name] = asset{kinds[path.Ext(name)], content, "/static/" + name + "?" + hex.EncodeToString(sum[:6])}
	}
	return all, nil
}

// static serves the files of static/.
func (p *Page) static(v *visit) error {
	a, ok := p.assets[v.r.PathValue("file")]
	if !ok {
		return errNotFound
	}
	v.w.Header().Set("Content-Type", a.kind)
	v.w.Header().Set("Cache-Control", "no-cache")
	if v.r.URL.RequestURI() == a.path {
		v.w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	_, _ = v.w.Write(a.content)
	return nil
}

// languageCookie holds the language that the visitor has chosen.
const languageCookie = "lagerd-language"

// languageOf returns the language that the visitor has chosen, or that the browser asks for.
func languageOf(r *http.Request) lang.Lang {
	if c, err := r.Cookie(languageCookie); err == nil {
		if l := lang.Lang(c.Value); l == lang.Danish || l == lang.English {
			return l
		}
	}
	return lang.Accepted(r.Header.Get("Accept-Language"))
}

// language stores the visitor's choice in the browser.
func (p *Page) language(v *visit) error {
	l := lang.Lang(v.r.PostFormValue("language"))
	if l != lang.Danish && l != lang.English {
		return errNotFound
	}
	const year = 365 * 24 * 60 * 60
	http.SetCookie(v.w, &http.Cookie{Name: languageCookie, Value: string(l), Path: "/", MaxAge: year, HttpOnly: true, Secure: p.secure(), SameSite: http.SameSiteLaxMode}) //nolint:gosec // Secure wherever browsers reach the page by HTTPS
	return v.redirect(localPath(v.r.PostFormValue("to")))
}
