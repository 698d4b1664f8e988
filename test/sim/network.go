package sim

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"time"

	"lagerd/plan"
)

const appToken = "app-secret-of-the-simulation"

// secrets must be in no log line.
var secrets = [][]byte{[]byte(appToken), []byte("sandbox-grant-"), []byte("sandbox-rackbeat-"), []byte("sandbox-token-")}

// network is an instance's connection to e-conomic and Rackbeat.
type network struct {
	sim  *simulation
	inst *instance
}

// errReset is the error of a broken connection.
var errReset = errors.New("read: connection reset by peer")

// RoundTrip implements http.RoundTripper.
func (n network) RoundTrip(req *http.Request) (*http.Response, error) {
	s := n.sim
	req = ofSearch(req)
	began := s.step.Load()
	var resp *http.Response
	var failed error
	c := &call{from: n.inst, key: "GET " + req.Header.Get("X-AgreementGrantToken") + req.Header.Get("Authorization") + " " + req.URL.RequestURI(), request: req}
	c.effect = func() {
		resp, failed = n.serve(req, began, c)
		n.note(req, c.arrived, resp)
		c.response = resp
	}
	c.lose = func() { n.note(req, c.arrived, nil) } // the call counts all the same
	if err := s.wait(req.Context(), c); err != nil {
		return nil, err
	}
	if s.script.came != nil {
		s.script.came(req.URL.RequestURI())
	}
	return resp, failed
}

// note reports a request and its answer to the script.
func (n network) note(req *http.Request, at time.Time, resp *http.Response) {
	path, _ := url.PathUnescape(req.URL.RequestURI())
	a := asked{at: at, inst: n.inst, shop: n.sim.world.addressed(req), path: path}
	if resp != nil {
		a.status = resp.StatusCode
	}
	if n.sim.script.asked != nil {
		n.sim.script.asked(a)
	}
}

// serve answers a request and injects faults.
func (n network) serve(req *http.Request, began int64, c *call) (*http.Response, error) {
	s, p := n.sim, &n.sim.profile
	shop := s.world.addressed(req)
	if s.script.answer != nil {
		if resp, staged := s.script.answer(n.inst, shop, req, c); staged {
			if resp == nil {
				return nil, errReset
			}
			s.oracle.answer(n.inst, shop, req, resp.StatusCode)
			return resp, nil
		}
	}
	if resp, out := n.whileOut(req, shop, c); out {
		if resp == nil {
			return nil, errReset
		}
		return resp, nil
	}
	switch {
	case s.strike(p.hang):
		s.counts["no answer"]++
		c.hung = true // until the caller gives up
		return nil, errReset
	case s.strike(p.limited):
		s.counts["429"]++
		header := http.Header{}
		if s.rng.IntN(2) == 0 {
			header.Set("Retry-After", strconv.Itoa(1+s.rng.IntN(20)))
		}
		return answer(req, http.StatusTooManyRequests, header, []byte(`{"message":"Too many requests."}`)), nil
	case shop.refusesToken(req) || s.strike(p.refused/4):
		s.counts["401 or 403"]++
		status := []int{http.StatusUnauthorized, http.StatusForbidden}[s.rng.IntN(2)]
		s.oracle.answer(n.inst, shop, req, status)
		return answer(req, status, nil, []byte(`{"message":"Unauthorized","errorCode":"E02000"}`)), nil
	case shop.refuses(req.URL.EscapedPath()) != 0:
		s.counts["part 401 or 403"]++
		status := shop.refuses(req.URL.EscapedPath())
		s.oracle.answer(n.inst, shop, req, status)
		return answer(req, status, nil, refusal(status)), nil
	case s.strike(p.broken):
		s.counts["5xx or a broken connection"]++
		switch s.rng.IntN(4) {
		case 0:
			return nil, errReset
		case 1: // a gateway's own answer
			return answer(req, http.StatusNotFound, http.Header{"Content-Type": {"text/html"}}, []byte("<html><body>404</body></html>")), nil
		}
		return answer(req, []int{500, 502, 503}[s.rng.IntN(3)], http.Header{"Content-Type": {"text/html"}}, []byte("<html><body>Bad gateway</body></html>")), nil
	}
	if strings.Contains(req.URL.RawQuery, "lastUpdated") {
		s.counts["change query"]++
	}
	all, own := faultsOf(req, shop)
	half := partOf(req.URL.EscapedPath()) == plan.ScopeStock && s.strike(p.half)
	if half {
		s.counts["half page"]++
		s.world.control("PUT", all, `{"force":{"halfPage":1}}`)
	}
	listing := listsItems(req)
	if listing {
		s.world.tidy(n.inst, shop, req)
	}
	lying := shop.lie && listing
	if lying {
		s.world.control("PUT", own, s.world.lies)
	}
	rec := httptest.NewRecorder()
	inner := req.Clone(req.Context())
	inner.RequestURI = req.URL.RequestURI()
	inner.Host = req.URL.Host
	s.world.handler.ServeHTTP(rec, inner)
	if lying {
		s.world.control("DELETE", own, "")
	}
	if half {
		s.world.control("PUT", all, `{"force":{"halfPage":0}}`)
	}
	body := rec.Body.Bytes()
	if req.URL.Path == "/self" { // the shops' companies are different, and their agreement may be the same
		body = bytes.ReplaceAll(body, []byte(strconv.Itoa(shop.agreement)), []byte(strconv.FormatInt(s.world.number(shop), 10)))
	}
	if req.URL.Path == "/api/self" && p.oneAccount { // likewise of their accounts at Rackbeat
		body = bytes.ReplaceAll(body, []byte(strconv.Itoa(shop.agreement+depotNumbers)), []byte(strconv.Itoa(s.world.shops[0].agreement+depotNumbers)))
	}
	if s.script.edit != nil {
		body = s.script.edit(req.URL.RequestURI(), body)
	}
	resp := answer(req, rec.Code, rec.Header(), body)
	switch {
	case len(body) > 2 && s.strike(p.cut):
		s.counts["cut"]++
		resp.Body = io.NopCloser(&cut{bytes.NewReader(body[:s.rng.IntN(len(body))])})
	case len(body) > 2 && body[0] == '{' && s.strike(p.cut/2): // a wrong byte in a PDF would go unnoticed
		s.counts["garbled"]++
		bad := bytes.Clone(body)
		bad[s.rng.IntN(len(bad)/2)] = 0
		resp.Body = io.NopCloser(bytes.NewReader(bad))
	default:
		unread := ""
		if s.strike(p.odd) {
			var odd []byte
			if !ofRackbeat(req) {
				odd, unread = s.odd(req, rec.Code, body)
			} else if odd, unread = s.oddRackbeat(shop, body); unread == "" {
				body = odd // it may show an item without a figure
			}
			resp = answer(req, rec.Code, rec.Header(), odd)
		}
		s.oracle.answer(n.inst, shop, req, rec.Code)
		s.oracle.read(n.inst, shop, req, began, rec.Code, body, unread)
	}
	return resp, nil
}

func answer(req *http.Request, status int, header http.Header, body []byte) *http.Response {
	if header == nil {
		header = http.Header{}
	}
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), Request: req}
}

// cut is a body that ends early.
type cut struct{ from io.Reader }

func (c *cut) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}
