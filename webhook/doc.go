// Package webhook is the HTTP endpoint that e-conomic and Rackbeat call. It authenticates a
// call, records its hint, and answers.
//
//	e-conomic, Rackbeat, or a person's browser
//	        │ GET or POST /webhooks.php  type, username, password, number
//	        ▼
//	   NewHandler ── Authenticator: is this the shop's code? and Rackbeat's token?
//	        │     ── Journal: the call and its outcome, for the shop's webhook log
//	        ▼
//	    Recorder  (Committer) ── many calls, one write ──▶ the database
//	        │
//	        ▼ after the commit
//	    "Success"
//
// It never reads e-conomic or Rackbeat, never changes a stock level or an invoice, and never
// answers Success before the hint is committed. No code, query string or body appears
// in an answer, an error or the journal. It logs nothing: it reports to Journal and to
// Options.Observe. Mount the handler on its own server and not behind http.ServeMux,
// which redirects unclean paths and copies the query string, including the code, into
// the answer.
//
// # Parsing
//
// e-conomic sends what a shop owner pasted, with the merge field replaced as text. Its
// character set, its content type and whether it escapes merged values are all
// undocumented, so parsing is lenient as long as it stays unambiguous:
//
//  1. Parameters come in the query, in a form body, or in both. The body is parsed as
//     a form whatever its Content-Type, and may be absent. Either may begin with stray
//     "?" and "&" (if the URL already ends in "?").
//  2. Names are type, username, password and number, in any case. Others are ignored.
//     If one is repeated, the first non-empty value counts. "&amp;" between parameters
//     is "&".
//  3. The body takes precedence over the query, parameter by parameter: e-conomic
//     merges into the body, while the URL is fixed. A URL that was pasted from a test
//     in the browser would carry that test's number forever.
//  4. "%41" is decoded, and "+" is a space, as in any form. A "%" without two
//     hexadecimal digits is literal. A value with anything that a form would have
//     escaped (a space, a non-ASCII byte, a lone "%", an "&" by rule 5) was evidently
//     merged unescaped, so its "+" is a plus sign.
//  5. If nothing with a "=" follows number, the rest belongs to it: the number in
//     "number=NUTS&BOLTS" is "NUTS&BOLTS" and not, silently, "NUTS". This applies to
//     item numbers only, and only if the whole is a valid one; "&" at the very end is
//     stray. An unescaped number with "&" and a later "=" is indistinguishable from
//     stray parameters and ends at the "&": the tick finds that item.
//  6. Bytes that are not UTF-8 are Windows-1252.
//  7. White space around a value is dropped; inside an item number it stays. An item
//     number has 1 to 25 characters and no control characters. An invoice number is
//     digits, above zero; its leading zeros are dropped, those of an item number never
//     are. Other invisible characters (no-break space, byte order mark, zero-width
//     characters) are dropped around a value too.
//  8. HEAD is refused, like every method except GET and POST: HEAD must not change
//     anything, and GET does here.
//
// # Code in a header
//
// A webhook that lagerd has set up at e-conomic has its code in the header Lagerd-Webhook-Code, its
// type and username in the URL, and the number alone in its body. A call that has a password is
// judged by that, whatever its header says. The code of a header is no password, nor the reverse.
//
// # Rackbeat
//
// With type=rackbeatStock in the query, shop and code come from the query and the body is
// JSON: Rackbeat sends its own body to the URL that a person entered (rackbeat.go has its three
// known forms). The rules above apply to the query alone. The number is taken literally: the text
// of a string, the digits of an integer, at most 25 characters and none of the control
// characters. A key that is not called number is no item's number.
//
// A webhook is never refused for what its body says: Rackbeat would send it again for a day, and
// something has changed, whatever it was. One that names no item (of an order, whose number is
// none; or with a body that is empty, too large, too deep, not JSON, or says a name twice) is a
// hint at everything: a Hint without a number, however many come answered by one sweep, as soon
// as the pace of sweeps allows.
//
// A GET comes from a browser: it is told what the address is for and records nothing.
//
// # Mistakes in pasted data
//
// An unfilled merge field, whatever its name and brackets, and the placeholder of the
// printed URL are answered 400 with instructions. Data with a mistake that can be
// interpreted is recorded and answered with Success and how to fix it: "&amp;" for "&",
// a number that is encoded twice or escaped as HTML, invisible characters or quotation
// marks around it. If the number may also be meant literally, both readings are recorded
// (two at most), and the answer is Success once both are committed: e-conomic knows
// which of them exists. A name in brackets that is none of e-conomic's merge fields is
// recorded literally, and the answer asks whether it is right. The outcome in the
// journal names the mistake; the status tells whether the call was recorded.
//
// The very text that is pasted into e-conomic, opened in a browser, is no mistake: a person tests
// shop and code. It is answered with Success and what to expect, and records nothing. A browser
// is told by a GET with Accept-Language, which e-conomic does not send.
//
// # Answers
//
// An answer is for the shop's owner, in the owner's language: Authenticator returns it with what
// happens to the shop's hints now (next.go). A caller without a valid code gets the language of
// its Accept-Language, else Danish, whatever shop it names.
//
// # Order of checks
//
// Path, method and size come first and depend on the request alone. Then comes the
// code, compared in constant time: a caller without a valid code gets the same 403, or 429
// once too many such calls came (limit.go), for every shop, existing or not, whatever else
// the call contains. Next comes the token of a call of Rackbeat's, if the shop has one stored:
// without it the call is refused and limited likewise, and is in the shop's own webhook log,
// since its caller has the code. Only then is the rest of the call checked, so that its shop
// gets to see what is wrong, in the answer and in its webhook log.
package webhook
