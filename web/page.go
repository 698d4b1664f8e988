package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"runtime/debug"
	"time"

	"github.com/sirupsen/logrus"

	"lagerd/config"
	"lagerd/forwarded"
	"lagerd/lang"
	"lagerd/limit"
	"lagerd/secret"
	"lagerd/status/story"
	"lagerd/store"
)

// Options are a Page's dependencies and settings. All except LookEvery,
// UserHeader and Trusts are required.
type Options struct {
	Store   *store.Store
	Keys    *secret.Keys
	Address string        // at which browsers reach it, without a slash at the end
	Session time.Duration // how long one lasts
	Version string
	Now     func() time.Time
	Log     logrus.FieldLogger

	// Config returns the configuration in force. It decides how an operator's wish is carried out.
	Config func() config.Config
	// Living returns the instances that are alive, nil if that is not known yet.
	Living func() map[string]bool
	// LookEvery is how often a stream of events looks whether something has happened; 0: every two
	// seconds.
	LookEvery time.Duration

	// UserHeader is the header in which a trusted proxy names an operator; "": none.
	UserHeader string
	// ProxyHeader is the header in which a trusted proxy names the address that it was called from;
	// "": X-Forwarded-For.
	ProxyHeader string

	// Trusts reports whether an address, without a port, is a trusted proxy's.
	Trusts func(remote string) bool
}

// Page is the page: an http.Handler.
type Page struct {
	Options
	own       *url.URL
	templates templates
	assets    map[string]asset // by name
	handler   http.Handler
	attempts  attempts
	jobs      jobs
	streams   streams
	charts    charts
	watched   watched
	stop      context.CancelFunc
	stopped   context.Context
}

// New returns the page.
func New(o Options) (*Page, error) {
	own, err := url.Parse(o.Address)
	if err != nil {
		return nil, err
	}
	templates, err := parseTemplates()
	if err != nil {
		return nil, err
	}
	assets, err := readAssets()
	if err != nil {
		return nil, err
	}
	if o.ProxyHeader == "" {
		o.ProxyHeader = forwarded.For
	}
	if o.Trusts == nil {
		o.Trusts = func(string) bool { return false }
	}
	if o.LookEvery == 0 {
		o.LookEvery = streamLooks
	}
	p := &Page{Options: o, own: own, templates: templates, assets: assets}
	p.attempts.byAddress, p.attempts.all = limit.New(attemptsFrom, attemptsWindow), limit.New(attemptsInAll, attemptsWindow)
	p.charts = newCharts()
	p.stopped, p.stop = context.WithCancel(context.Background())
	p.handler, err = p.guard(p.routes())
	return p, err
}

// ServeHTTP implements http.Handler.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.handler.ServeHTTP(w, r) }

// Stop ends all streams of events and what operators have begun, now and from now on.
func (p *Page) Stop() { p.stop() }

// secure reports whether browsers reach the page by HTTPS.
func (p *Page) secure() bool { return p.own.Scheme == "https" }

// visit is a request and who makes it.
type visit struct {
	w        http.ResponseWriter
	r        *http.Request
	now      time.Time
	lang     lang.Lang
	operator operator // zero unless an operator's page is asked for
	owner    owner    // zero unless an owner's page is asked for
}

// operator is who sees all shops.
type operator struct {
	Name    string
	session ticket // zero: a trusted proxy has signed the operator in
}

// owner is who sees one shop.
type owner struct {
	Shop    string
	session ticket
}

// actor returns who does something by the page, for the record of what people do.
func (v *visit) actor() store.Actor {
	if v.owner.Shop != "" {
		return store.Actor{Account: story.LinkAccount + v.owner.session.Link, Command: "page"}
	}
	return store.Actor{Account: v.operator.Name, Command: "page"}
}

// ctx returns the request's context, in which the store records who does something.
func (v *visit) ctx() context.Context { return store.By(v.r.Context(), v.actor()) }

// handler answers a visit. Before it has written anything it may return an error, for which the
// visitor then sees a page.
type handler func(v *visit) error

// errNotFound is returned by handlers for what does not exist, or is not the visitor's to see.
var errNotFound = errors.New("not found")

// refusal is an error that tells the visitor what was wrong with the request.
type refusal struct {
	status int
	title  lang.Text
	text   lang.Text
}

func (r refusal) Error() string { return r.title.English }

// routes returns the pages. Each is for anybody, for operators or for owners.
func (p *Page) routes() http.Handler {
	mux := http.NewServeMux()
	anybody := func(pattern string, h handler) { mux.Handle(pattern, p.serve(p.anybody(h))) }
	operators := func(pattern string, h handler) { mux.Handle(pattern, p.serve(p.operators(h))) }
	owners := func(pattern string, h handler) { mux.Handle(pattern, p.serve(p.owners(h))) }

	anybody("/", func(*visit) error { return errNotFound })
	anybody("GET /static/{file}", p.static)
	anybody("GET /robots.txt", robots)
	anybody("POST /language", p.language)
	anybody("GET /sign-in", p.signInPage)
	anybody("POST /sign-in", p.signIn)
	anybody("POST /sign-out", p.signOut)
	anybody("GET /signed-out", p.signedOut)
	anybody("GET "+linkPath+"{ticket}", p.openLink)
	p.operatorRoutes(operators)
	p.ownerRoutes(owners)
	return mux
}

// serve makes an http.Handler of a handler.
func (p *Page) serve(h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := &visit{w: w, r: r, now: p.Now(), lang: languageOf(r)}
		if err := h(v); err != nil {
			p.fail(v, err)
		}
	})
}

// fail shows what went wrong.
func (p *Page) fail(v *visit, err error) {
	if v.r.Context().Err() != nil {
		return // nobody is there any more
	}
	r, told := errors.AsType[refusal](err)
	switch {
	case told:
	case errors.Is(err, errNotFound) || errors.Is(err, store.ErrNoShop):
		r = refusal{http.StatusNotFound, notFoundTitle, notFoundText}
	default:
		p.Log.WithError(err).WithField("page", v.r.Pattern).Error("the page cannot be shown")
		r = refusal{http.StatusInternalServerError, brokenTitle, brokenText}
	}
	if err := p.show(v, sheet{Status: r.status, Name: "message", Title: r.title, Data: r.text.In(v.lang)}); err != nil {
		p.Log.WithError(err).Error("the page of an error cannot be shown")
	}
}

var (
	notFoundTitle = lang.Text{Danish: "Siden findes ikke", English: "Page not found"}
	notFoundText  = lang.Text{Danish: "Se efter, om adressen er skrevet rigtigt.", English: "Check that the address is right."}
	brokenTitle   = lang.Text{Danish: "Siden kan ikke vises lige nu", English: "The page cannot be shown right now"}
	brokenText    = lang.Text{Danish: "Prøv igen om et minut. Butikkens lager og fakturaer holdes ajour imens, hvis lagerd kører.",
		English: "Try again in a minute. The shop's stock and invoices are kept up to date meanwhile, if lagerd runs."}
)

// redirect sends the visitor to another path of the page, to be read with GET.
func (v *visit) redirect(path string) error {
	http.Redirect(v.w, v.r, path, http.StatusSeeOther)
	return nil
}

// robots keeps search engines away.
func robots(v *visit) error {
	v.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, err := v.w.Write([]byte("User-agent: *\nDisallow: /\n"))
	return err
}

// recovering logs a panic of a handler, without anything of the request, and shows that the page is
// broken.
func (p *Page) recovering(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			cause := recover()
			if cause == nil {
				return
			}
			if err, is := cause.(error); is && errors.Is(err, http.ErrAbortHandler) {
				panic(cause)
			}
			p.Log.WithField("stack", string(debug.Stack())).Error("the page panicked")
			http.Error(w, brokenTitle.English, http.StatusInternalServerError)
		}()
		h.ServeHTTP(w, r)
	})
}
