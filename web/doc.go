// Package web is the page: operators see all shops and act on them, and a shop's owner, who has a
// link, sees that shop and nothing else.
//
//	browser ─▶ guard (headers, Host, same origin) ─▶ who is it? ─▶ a handler reads values ─▶ template
//	                                                   │
//	           password, or a trusted proxy's header ──┤ operator: "/", "/shops/…"
//	           a signed link ──▶ signed session ───────┘ owner:    "/shop…", always the session's shop
//
// What it guarantees:
//
//  1. A GET changes nothing: neither in the database nor, for links, in what they can still do.
//     Whatever changes something is a POST of the page's own origin, answered by a redirect, or
//     by the only page that shows a new code.
//  2. An owner's pages take the shop from the session, never from the address or a form.
//  3. A session is a signed text in the browser, which every lagerd of the database accepts. Its
//     stamp, and the sessions that somebody signed out of, are checked with each request.
//  4. Nothing is loaded from elsewhere, nothing runs that is not a file of the page's own, and no
//     other site may show the page in a frame (Content-Security-Policy).
//  5. What comes from outside reaches a page through html/template alone.
//
// It decides nothing about shops: package status does, and package store has the statements. It
// never talks to e-conomic itself.
package web
