// Package webhook is the endpoint that e-conomic calls: it authenticates a call,
// records the hint that it carries, and answers.
//
//	e-conomic, or a person's browser
//	        │ GET or POST /webhooks.php  type, username, password, number
//	        ▼
//	   NewHandler ── Authenticator: is this the shop's code?
//	        │     ── Journal: what was called and what came of it, for the shop's webhook log
//	        ▼
//	    Recorder  (Committer) ── many calls, one write ──▶ the database
//	        │
//	        ▼ after the commit
//	    "Success"
//
// It never reads e-conomic, never changes a stock level or an invoice, and never
// answers Success before the hint is committed. No code, query string or body
// reaches an answer, an error or the journal. It logs nothing: it reports to
// Journal and to Options.Observe. Mount the handler on a server of its own and not
// behind http.ServeMux, which redirects odd paths to clean ones and copies the
// query string, code included, into the answer.
//
// # What is understood
//
// e-conomic sends what a shop owner pasted, with the merge field replaced as text.
// Neither its character set, nor whether it escapes what it merges, nor its
// content type is documented, so this is tolerant where it costs no certainty:
//
//  1. Parameters stand in the query, in a form body, or in both. The body is read
//     as a form whatever the Content-Type says, and its absence is fine. Either may
//     begin with stray "?" and "&" (an address that itself ends in "?").
//  2. Names are type, username, password and number, in any case. Others are
//     ignored. Of a repeated one the first that is not empty counts. "&amp;" between
//     parameters is "&".
//  3. The body wins over the query, parameter by parameter: the body is what
//     e-conomic merges, while the address is fixed, and one that was pasted from a
//     test in the browser carries the number of that test for ever.
//  4. "%41" is decoded, and "+" is a space, as in any form. A "%" without two
//     hexadecimal digits is itself. Where a value holds what a form would have
//     escaped (a space, a byte outside ASCII, a lone "%", an "&" by rule 5), it was
//     evidently merged unescaped, and "+" is a plus.
//  5. Where nothing with a "=" follows number, the rest belongs to it: of
//     "number=NUTS&BOLTS" the number is "NUTS&BOLTS" and not, silently, "NUTS".
//     That holds for item numbers only, and only if the whole is a valid one; "&"
//     at the very end is stray. An unescaped number with "&" and later "=" cannot
//     be told from stray parameters and is cut at the "&": the tick finds that item.
//  6. Bytes that are not UTF-8 are Windows-1252.
//  7. White space around a value is dropped, within an item number it stays. An
//     item number has 1 to 25 characters, none a control character. An invoice
//     number is digits, above zero; leading zeros are dropped, which for an item
//     number they never are. Other invisible characters (a no-break space, a byte
//     order mark, characters of no width) are dropped around a value too.
//  8. HEAD is refused like every method but GET and POST: it must change nothing,
//     and GET here does.
//
// # What is pasted wrongly
//
// A merge field that e-conomic did not fill in, whatever its name and brackets, and
// the placeholder of the printed address are answered 400 with what to do. What can
// be understood is recorded, and answered with Success and what to put right:
// "&amp;" for "&", a number that is encoded twice or escaped as HTML, invisible
// characters or quotation marks around it. Where a number may be meant as it was sent, both readings
// are hinted at (two at most), and Success is said when both are committed: e-conomic
// knows which of them exists. A name in brackets that is no merge field of
// e-conomic's is recorded as it stands, and questioned. The outcome in the journal
// names the oddity; the status tells whether the call was recorded.
//
// # The order of the checks
//
// Path, method and size come first and depend on the request alone. Then comes
// the code, compared in constant time: whoever does not know one gets the same 403
// for every shop, existing or not, whatever else the call says. Only then is the
// rest of the call judged, so that what is wrong with it is told to its shop, and
// shows in its webhook log.
package webhook
