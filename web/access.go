package web

import (
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/sirupsen/logrus"

	"lagerd/lang"
	"lagerd/limit"
	"lagerd/secret"
	"lagerd/store"
)

// Names of cookies, without the prefix that binds them to HTTPS and the whole host.
const (
	operatorCookie = "lagerd-operator"
	ownerCookie    = "lagerd-owner"
)

func (p *Page) cookieName(name string) string {
	if p.secure() {
		return "__Host-" + name // browsers then accept it over HTTPS alone, for this host alone
	}
	return name
}

// setSession gives the browser a session; an empty value takes it away.
func (p *Page) setSession(v *visit, name, value string, lasts time.Duration) {
	c := &http.Cookie{Name: p.cookieName(name), Value: value, Path: "/", MaxAge: int(lasts.Seconds()), HttpOnly: true, Secure: p.secure(), SameSite: http.SameSiteLaxMode} //nolint:gosec // Secure wherever browsers reach the page by HTTPS
	if value == "" {
		c.MaxAge = -1
	}
	http.SetCookie(v.w, c)
}

// sessionIn returns the session that a cookie holds. It has been signed here and has not expired;
// whether it has been ended is not checked.
func (p *Page) sessionIn(v *visit, name string, k kind) (ticket, bool) {
	c, err := v.r.Cookie(p.cookieName(name))
	if err != nil {
		return ticket{}, false
	}
	t, err := verify(p.Keys, k, c.Value, v.now)
	return t, err == nil
}

// anybody lets everybody see a page.
func (*Page) anybody(h handler) handler { return h }

// operators lets operators see a page. Others are sent to sign in.
func (p *Page) operators(h handler) handler {
	return func(v *visit) error {
		var err error
		if v.operator, err = p.operatorOf(v); err != nil {
			return err
		}
		v.lang = lang.English // what operators read is English
		switch {
		case v.operator.Name != "":
			return h(v)
		case v.r.Method == http.MethodGet && v.r.URL.Path == "/":
			if _, is := p.sessionIn(v, ownerCookie, kindOwner); is {
				return v.redirect(ownerHome)
			}
		}
		if v.r.Method != http.MethodGet {
			return refusal{http.StatusForbidden, lang.Text{Danish: "Du er ikke logget ind", English: "You are not signed in"},
				lang.Text{Danish: "Intet er ændret. Log ind, og prøv igen.", English: "Nothing was changed. Sign in, and try again."}}
		}
		return v.redirect(signInPath(v.r.URL.RequestURI()))
	}
}

func signInPath(to string) string {
	if to == "/" {
		return "/sign-in"
	}
	return "/sign-in?to=" + url.QueryEscape(to)
}

// operatorOf returns the operator who makes a request, the zero operator if none does.
func (p *Page) operatorOf(v *visit) (operator, error) {
	if name := p.namedByProxy(v.r); name != "" {
		return operator{Name: name}, nil
	}
	t, ok := p.sessionIn(v, operatorCookie, kindOperator)
	if !ok {
		return operator{}, nil
	}
	access, err := p.Store.OperatorAccess(v.r.Context(), t.Who, t.session())
	switch {
	case errors.Is(err, store.ErrNoOperator):
		return operator{}, nil
	case err != nil:
		return operator{}, err
	case access.Ended || access.Stamp != t.Stamp:
		return operator{}, nil
	}
	return operator{t.Who, t}, nil
}

// longestName is how long an operator's name may be, in characters.
const longestName = 64

// namedByProxy returns the operator that a trusted proxy names, "" if none does. The header of
// anybody else does not count, nor one that is there twice.
func (p *Page) namedByProxy(r *http.Request) string {
	if p.UserHeader == "" || !p.Trusts(remote(r)) {
		return ""
	}
	values := r.Header.Values(p.UserHeader)
	if len(values) != 1 || !GoodName(values[0]) {
		return ""
	}
	return values[0]
}

// GoodName reports whether a text can be an operator's name: it is shown, and stands in records.
func GoodName(name string) bool {
	return name != "" && len([]rune(name)) <= longestName && strings.TrimSpace(name) == name && !strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) })
}

// owners lets the owner of a shop see a page of it. Others are told how to get a link.
func (p *Page) owners(h handler) handler {
	return func(v *visit) error {
		t, ok := p.sessionIn(v, ownerCookie, kindOwner)
		if !ok {
			return noAccess()
		}
		good, err := p.isGood(v, t, t.session())
		if err != nil {
			return err
		}
		if !good {
			return noAccess()
		}
		v.owner = owner{t.Who, t}
		return h(v)
	}
}

// isGood reports whether a shop's link, or a session that came of it, has been neither revoked nor
// ended, and is of the shop that has its name now.
func (p *Page) isGood(v *visit, t ticket, session []byte) (bool, error) {
	access, err := p.Store.ShopAccess(v.r.Context(), t.Who, session)
	if errors.Is(err, store.ErrNoShop) {
		return false, nil
	}
	return err == nil && !access.Ended && access.Stamp == t.Stamp && access.Created.UnixMicro() == t.Created, err
}

// noAccess says the same whatever is wrong: who guesses learns nothing.
func noAccess() error {
	return refusal{http.StatusForbidden, lang.Text{Danish: "Linket virker ikke mere", English: "The link no longer works"},
		lang.Text{Danish: "Et link til butikkens side gælder kun en tid, og kan være trukket tilbage. Bed din webudbyder om et nyt, eller brug det i den seneste mail.",
			English: "A link to the shop's page is good for a time only, and may have been revoked. Ask your hosting company for a new one, or use the one in the latest mail."}}
}

// ownerHome is where an owner's pages begin.
const ownerHome = "/shop"

// openLink makes a session of a link, at an address without it. It stores nothing: whatever opens
// links in mails may open this one, and it stays good.
func (p *Page) openLink(v *visit) error {
	t, err := verify(p.Keys, kindLink, v.r.PathValue("ticket"), v.now)
	if err != nil {
		return noAccess()
	}
	good, err := p.isGood(v, t, nil)
	if err != nil {
		return err
	}
	if !good {
		return noAccess()
	}
	session := t
	session.ID, session.Until = rand.Text(), v.now.Add(p.Session).Unix()
	p.setSession(v, ownerCookie, session.sign(p.Keys, kindOwner), p.Session)
	return v.redirect(ownerHome)
}

// How many tries to sign in are allowed within attemptsWindow. All together are limited too, since a
// guesser may have many addresses.
const (
	attemptsWindow = 10 * time.Minute
	attemptsFrom   = 10 // one address
	attemptsInAll  = 120
)

// attempts limits tries to sign in.
type attempts struct {
	byAddress, all *limit.Limiter
	one            sync.Mutex // held while a password is checked
}

func (a *attempts) allow(address string, now time.Time) bool {
	return a.byAddress.Allow(limit.Network(address), now) && a.all.Allow("", now)
}

// signInForm is what the page for signing in shows.
type signInForm struct {
	To      string // where to go then
	Name    string
	Problem string // "": none
}

func (p *Page) signInPage(v *visit) error {
	if o, err := p.operatorOf(v); err != nil || o.Name != "" {
		if err != nil {
			return err
		}
		return v.redirect(localPath(v.r.FormValue("to")))
	}
	return p.showSignIn(v, http.StatusOK, signInForm{To: localPath(v.r.FormValue("to"))})
}

func (p *Page) showSignIn(v *visit, status int, f signInForm) error {
	return p.show(v, sheet{Status: status, Name: "sign-in", Title: lang.Text{Danish: "Log ind", English: "Sign in"}, Data: f})
}

var (
	wrongPassword = lang.Text{Danish: "Navnet eller adgangskoden er forkert.", English: "The name or the password is wrong."}
	tooOften      = lang.Text{Danish: "Der er prøvet for mange gange. Vent ti minutter.", English: "There were too many tries. Wait ten minutes."}
)

// signIn gives an operator who knows the password a session.
func (p *Page) signIn(v *visit) error {
	name, password := v.r.PostFormValue("name"), v.r.PostFormValue("password")
	form := signInForm{To: localPath(v.r.PostFormValue("to")), Name: name}
	from := p.caller(v.r)
	if !p.attempts.allow(from, v.now) {
		p.Log.WithField("from", from).Warn("too many tries to sign in on the page")
		form.Problem = tooOften.In(v.lang)
		v.w.Header().Set("Retry-After", "600")
		return p.showSignIn(v, http.StatusTooManyRequests, form)
	}
	o, err := p.Store.WebOperator(v.r.Context(), name)
	if err != nil && !errors.Is(err, store.ErrNoOperator) {
		return err
	}
	// For an unknown name too: the time it takes must not tell who may sign in.
	if !p.checks(o.Password, password) || err != nil {
		p.Log.WithField("from", from).Warn("a try to sign in on the page failed")
		form.Problem = wrongPassword.In(v.lang)
		return p.showSignIn(v, http.StatusForbidden, form)
	}
	t := ticket{Who: o.Name, Stamp: o.Stamp, ID: rand.Text(), Until: v.now.Add(p.Session).Unix()}
	p.setSession(v, operatorCookie, t.sign(p.Keys, kindOperator), p.Session)
	p.Log.WithFields(logrus.Fields{"from": from, "operator": o.Name}).Info("signed in on the page")
	return v.redirect(form.To)
}

// checks compares a password with a hash, one at a time: hashing takes memory and a processor.
func (p *Page) checks(hash, password string) bool {
	p.attempts.one.Lock()
	defer p.attempts.one.Unlock()
	return secret.CheckPassword(hash, password)
}

// signOut ends the browser's session of an operator or of an owner, at every lagerd.
func (p *Page) signOut(v *visit) error {
	cookie, k, to := operatorCookie, kindOperator, "/sign-in"
	if v.r.PostFormValue("as") == string(kindOwner) {
		cookie, k, to = ownerCookie, kindOwner, "/signed-out"
	}
	if t, ok := p.sessionIn(v, cookie, k); ok {
		if err := p.Store.EndSession(v.r.Context(), t.session(), time.Unix(t.Until, 0), v.now); err != nil {
			return err
		}
	}
	p.setSession(v, cookie, "", 0)
	return v.redirect(to)
}

// signedOut is where owners are after they have signed out.
func (p *Page) signedOut(v *visit) error {
	return p.show(v, sheet{Name: "message", Title: lang.Text{Danish: "Du er logget ud", English: "You have signed out"},
		Data: lang.Text{Danish: "Brug linket i den seneste mail for at åbne siden igen.", English: "Use the link in the latest mail to open the page again."}.In(v.lang)})
}

// localPath returns a path of the page, "/" if the text is no such path.
func localPath(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.IsAbs() || u.Host != "" || u.User != nil || !strings.HasPrefix(text, "/") || strings.HasPrefix(text, "//") || strings.ContainsFunc(text, func(r rune) bool { return r == '\\' || r <= ' ' || r > '~' }) {
		return "/"
	}
	return text
}
