package daemon

import (
	"context"
	"fmt"
	"net/http"

	"lagerd/config"
	"lagerd/notify"
	"lagerd/web"
)

// pageServer serves the page.
type pageServer struct {
	*http.Server
	page     *web.Page
	visitors *connections
	ended    chan struct{}
}

// newPageServer returns the page's server, with so many connections at most.
func (d *daemon) newPageServer(most int) (*pageServer, error) {
	c := d.Config.Web
	page, err := web.New(web.Options{Store: d.store, Keys: d.keys, Address: c.Address(), Session: c.Session, Version: d.Version, Now: d.now, Log: d.log,
		Config: func() config.Config { return *d.config.Load() }, Living: d.engine.Living, UserHeader: c.UserHeader, ProxyHeader: c.ProxyHeader, Trusts: c.Trusts})
	if err != nil {
		return nil, fmt.Errorf("the page: %w", err)
	}
	s := &pageServer{Server: server(d.log, working(page)), page: page, visitors: newConnections(most, func(int, int) {}), ended: make(chan struct{})}
	s.visitors.serve(s.Server)
	return s, nil
}

// pageOf returns what makes links to shops' pages for mail, nil if there is no page.
func (d *daemon) pageOf() func(ctx context.Context, shop string) (notify.Page, error) {
	if !d.Config.Web.On() {
		return nil
	}
	return func(ctx context.Context, shop string) (notify.Page, error) {
		c := d.config.Load().Web
		link, err := web.Links{Store: d.store, Keys: d.keys, Address: c.Address(), Lasts: c.Link, Now: d.now}.New(ctx, shop)
		return notify.Page{URL: link.URL, Expires: link.Expires}, err
	}
}

// stop begins to end the page: streams of events end at once, other answers have as long as webhook
// calls.
func (s *pageServer) stop() {
	if s == nil {
		return
	}
	s.page.Stop()
	go func() {
		defer close(s.ended)
		ctx, cancel := context.WithTimeout(context.Background(), grace)
		defer cancel()
		if s.Shutdown(ctx) != nil {
			_ = s.Close()
		}
	}()
}

// end waits until the page has ended.
func (s *pageServer) end() {
	if s != nil {
		<-s.ended
		s.page.Wait()
	}
}
