package rest

import (
	"bytes"
	"fmt"
	"html"
	"net/http"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"lagerd/secret"
)

// Details flattens the "errors" of an error's body to one line. They are a list of strings, a
// tree by property whose leaves are strings, or one whose leaves have errorCode and message.
func Details(raw Value) string {
	if len(raw) == 0 {
		return ""
	}
	var tree any
	if json.Unmarshal(raw, &tree, Lenient()) != nil {
		return ""
	}
	var found []string
	var walk func(path string, v any)
	walk = func(path string, v any) {
		const enough = 5
		if len(found) >= enough {
			return
		}
		switch v := v.(type) {
		case string:
			found = append(found, strings.TrimPrefix(path+": "+v, ": "))
		case []any:
			for _, each := range v {
				walk(path, each)
			}
		case map[string]any:
			if message, ok := v["message"].(string); ok {
				code, _ := v["errorCode"].(string)
				found = append(found, strings.TrimPrefix(strings.TrimSpace(path+": "+code+" "+message), ": "))
				return
			}
			if index, ok := v["arrayIndex"].(float64); ok {
				path = fmt.Sprintf("%s[%v]", path, index)
			}
			keys := make([]string, 0, len(v))
			for key := range v {
				keys = append(keys, key)
			}
			slices.Sort(keys)
			for _, key := range keys {
				switch key {
				case "arrayIndex":
				case "errors":
					walk(path, v[key])
				default:
					walk(strings.TrimPrefix(path+"."+key, "."), v[key])
				}
			}
		}
	}
	walk("", tree)
	return OneLine(strings.Join(found, "; "), 500)
}

// Text returns a JSON string's value, else the JSON itself.
func Text(raw Value) string {
	if Absent(raw) {
		return ""
	}
	if raw[0] != '"' {
		return string(raw)
	}
	if inner := raw[1 : len(raw)-1]; bytes.IndexByte(inner, '\\') < 0 && utf8.Valid(inner) {
		return string(inner)
	}
	s, _ := jsontext.AppendUnquote(nil, raw) // replaces invalid UTF-8
	return string(s)
}

// IsHTML reports whether a body is a web page rather than data.
func IsHTML(header http.Header, body []byte) bool {
	if strings.HasPrefix(header.Get("Content-Type"), "text/html") {
		return true
	}
	return bytes.HasPrefix(bytes.TrimSpace(WithoutBOM(body)), []byte("<"))
}

// Excerpt quotes the beginning of a body that is not the API's JSON, or a web page's title, with
// [redacted] in place of secrets.
func Excerpt(body []byte, secrets secret.Hidden) string {
	const within = 64 << 10 // a title further on is not looked for
	lower := bytes.ToLower(body[:min(len(body), within)])
	if i := bytes.Index(lower, []byte("<title>")); i >= 0 && len(lower) == min(len(body), within) {
		title := body[i+len("<title>"):]
		if end := bytes.IndexByte(title[:min(len(title), mostQuoted)], '<'); end >= 0 {
			title = title[:end]
		}
		return fmt.Sprintf("a web page titled %q", OneLine(withoutSecretsIn(title, secrets), 100))
	}
	if line := OneLine(withoutSecretsIn(body, secrets), 100); line != "" {
		return fmt.Sprintf("%q", line)
	}
	return ""
}

// mostQuoted is how much of a text is searched for secrets before its beginning is quoted: more than
// is quoted, so that none is quoted in part, and no more than takes little time.
const mostQuoted = 1 << 13

// withoutSecretsIn returns the beginning of a text without its secrets, escaped by JSON, URL or HTML.
func withoutSecretsIn(text []byte, secrets secret.Hidden) string {
	const redacted = "[redacted]"
	began := string(text[:min(len(text), mostQuoted)])
	if plain := html.UnescapeString(began); plain != began && secrets.Found([]byte(plain)) {
		return redacted
	}
	clean := secrets.In(began)
	if clean != began && len(began) < len(text) {
		return redacted // it may end with half of one
	}
	return clean
}

// OneLine returns s without line breaks and control characters, truncated to limit
// characters.
func OneLine(s string, limit int) string {
	const perCharacter = 64 // with what is left out around it
	if most := perCharacter * (limit + 1); len(s) > most {
		s = s[:most]
	}
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r)
	}), " ")
	if r := []rune(s); len(r) > limit {
		return string(r[:limit]) + "…"
	}
	return s
}
