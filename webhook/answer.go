package webhook

import (
	"io"
	"net/http"
	"strconv"

	"lagerd/terminal"
)

// answer is an answer to a caller: a line in English and one in Danish, because shop
// owners try the URL in a browser.
type answer struct {
	status  int
	outcome string
	text    string
	// retry is the least Retry-After in seconds. The actual value is random, up to
	// twice as long, so that callers do not all retry at once.
	retry int
}

var (
	answerRefused = answer{status: http.StatusForbidden, outcome: OutcomeRefused, text: "" +
		"Refused: username and password do not match. Use exactly the text that lagerd showed for this shop.\n" +
		"Afvist: username og password hører ikke sammen. Brug præcis den tekst, som lagerd viste for denne butik.\n"}
	answerLimited = answer{status: http.StatusTooManyRequests, outcome: OutcomeLimited, retry: 60, text: "" +
		"Refused: username and password do not match, and too many such calls came. Use exactly the text that lagerd showed for this shop, in a minute.\n" +
		"Afvist: username og password hører ikke sammen, og der kom for mange sådanne kald. Brug præcis den tekst, som lagerd viste for denne butik, om et minut.\n"}
	answerBadToken = answer{status: http.StatusForbidden, outcome: OutcomeBadToken, text: "" +
		"Refused: the header Rackbeat-Webhook-Token is missing, or holds another token than the one that lagerd has for this shop. Give whoever runs lagerd the token of this webhook.\n" +
		"Afvist: headeren Rackbeat-Webhook-Token mangler, eller har et andet token end det, som lagerd har for denne butik. Giv den, der driver lagerd, dette webhooks token.\n"}
	answerTokenLimited = answer{status: http.StatusTooManyRequests, outcome: OutcomeLimited, retry: 60, text: "" +
		"Refused: the header Rackbeat-Webhook-Token is missing or wrong, and too many such calls came. Give whoever runs lagerd the token of this webhook.\n" +
		"Afvist: headeren Rackbeat-Webhook-Token mangler eller er forkert, og der kom for mange sådanne kald. Giv den, der driver lagerd, dette webhooks token.\n"}
	answerBadType = answer{status: http.StatusBadRequest, outcome: OutcomeBadType, text: "" +
		"Unknown type: write type=stockUpdate for stock or type=orderPdf for invoices.\n" +
		"Ukendt type: skriv type=stockUpdate for lager eller type=orderPdf for fakturaer.\n"}
	answerTypeInBody = answer{status: http.StatusBadRequest, outcome: OutcomeBadType, text: "" +
		"type=rackbeatStock is for Rackbeat's webhook, and belongs in its URL. In e-conomic, write type=stockUpdate or type=orderPdf.\n" +
		"type=rackbeatStock er til Rackbeats webhook, og hører til i dets URL. Skriv type=stockUpdate eller type=orderPdf i e-conomic.\n"}
	answerNoNumber = answer{status: http.StatusBadRequest, outcome: OutcomeNoNumber, text: "" +
		"No number: end the data with number=[NUMBER] for stockUpdate or number=[INVOICENO] for orderPdf.\n" +
		"Intet nummer: slut teksten med number=[NUMBER] for stockUpdate eller number=[INVOICENO] for orderPdf.\n"}
	answerNumberTooLong = answer{status: http.StatusBadRequest, outcome: OutcomeNumberTooLong, text: "" +
		"The number is too long: a number in e-conomic has at most 25 characters.\n" +
		"Nummeret er for langt: et nummer i e-conomic har højst 25 tegn.\n"}
	answerBadItemNumber = answer{status: http.StatusBadRequest, outcome: OutcomeBadNumber, text: "" +
		"This is not a number from e-conomic: it holds characters that cannot be in one. Check the end of the data that is sent.\n" +
		"Dette er ikke et nummer fra e-conomic: det indeholder tegn, som ikke kan være i et. Se efter sidst i den tekst, der sendes.\n"}
	answerBadInvoiceNumber = answer{status: http.StatusBadRequest, outcome: OutcomeBadNumber, text: "" +
		"This is not an invoice number: it must be digits only, and not 0. Use type=stockUpdate for an item number.\n" +
		"Dette er ikke et fakturanummer: det skal være cifre alene, og ikke 0. Brug type=stockUpdate til et varenummer.\n"}
	answerStockMergeField = answer{status: http.StatusBadRequest, outcome: OutcomeMergeField, text: "" +
		"e-conomic did not fill in the number: choose the webhook type \"Inventory updated\" and end the data with number=[NUMBER]. To try it by hand, write a real item number.\n" +
		"e-conomic har ikke sat nummeret ind: vælg webhook-typen \"Varelager opdateret\", og slut teksten med number=[NUMBER]. Skriv et rigtigt varenummer for at prøve selv.\n"}
	answerInvoiceMergeField = answer{status: http.StatusBadRequest, outcome: OutcomeMergeField, text: "" +
		"e-conomic did not fill in the number: choose the webhook type \"Invoice booked\" and end the data with number=[INVOICENO]. To try it by hand, write a real invoice number.\n" +
		"e-conomic har ikke sat nummeret ind: vælg webhook-typen \"Faktura bogført\", og slut teksten med number=[INVOICENO]. Skriv et rigtigt fakturanummer for at prøve selv.\n"}
	answerStockPlaceholder = answer{status: http.StatusBadRequest, outcome: OutcomePlaceholder, text: "" +
		"VARENUMMER is only a placeholder: replace it with one of your item numbers to try it. In e-conomic the data ends with number=[NUMBER].\n" +
		"VARENUMMER står kun i stedet for et varenummer: skriv et af dine egne for at prøve. I e-conomic slutter teksten med number=[NUMBER].\n"}
	answerInvoicePlaceholder = answer{status: http.StatusBadRequest, outcome: OutcomePlaceholder, text: "" +
		"VARENUMMER is only a placeholder: replace it with one of your invoice numbers to try it. In e-conomic the data ends with number=[INVOICENO].\n" +
		"VARENUMMER står kun i stedet for et nummer: skriv et af dine egne fakturanumre for at prøve. I e-conomic slutter teksten med number=[INVOICENO].\n"}
	answerBadBody = answer{status: http.StatusBadRequest, outcome: OutcomeBadBody, text: "" +
		"The data was cut off: send it again.\n" +
		"Teksten blev afbrudt: send den igen.\n"}
	answerTooLarge = answer{status: http.StatusRequestEntityTooLarge, outcome: OutcomeTooLarge, text: "" +
		"Too much data: send type, username, password and number only.\n" +
		"For meget tekst: send kun type, username, password og number.\n"}
	answerBadMethod = answer{status: http.StatusMethodNotAllowed, outcome: OutcomeBadMethod, text: "" +
		"Use GET or POST.\n" +
		"Brug GET eller POST.\n"}
	answerNotFound = answer{status: http.StatusNotFound, outcome: OutcomeNotFound, text: "" +
		"Nothing here: the address ends in " + Path + ".\n" +
		"Intet her: adressen slutter på " + Path + ".\n"}
	answerUnavailable = answer{status: http.StatusServiceUnavailable, outcome: OutcomeUnavailable, retry: 10, text: "" +
		"Not recorded, the database does not answer: try again in a moment.\n" +
		"Ikke registreret, databasen svarer ikke: prøv igen om lidt.\n"}
	answerFull = answer{status: http.StatusServiceUnavailable, outcome: OutcomeFull, retry: 5, text: "" +
		"Not recorded, too many calls at once: try again in a moment.\n" +
		"Ikke registreret, for mange kald på én gang: prøv igen om lidt.\n"}
	answerGone  = answer{status: http.StatusServiceUnavailable, outcome: OutcomeGone, retry: 10, text: answerUnavailable.text}
	answerPanic = answer{status: http.StatusInternalServerError, outcome: OutcomePanic, text: "" +
		"Something is wrong in lagerd: its log says what.\n" +
		"Der er noget galt i lagerd: dens log siger hvad.\n"}
)

// recorded returns the answer to a recorded call: the word that shop owners look for,
// how the call was understood, and what to fix.
func recorded(shop string, kind Kind, n numbers) answer {
	a := answer{status: http.StatusOK, outcome: OutcomeRecorded,
		text: "Success\n" + shop + ": " + string(kind) + " " + terminal.Escape(n.sent) + "\n"}
	if n.meant != "" {
		a.text += shop + ": " + string(kind) + " " + terminal.Escape(n.meant) + "\n"
	}
	if n.odd != nil {
		a.outcome, a.text = n.odd.outcome, a.text+n.odd.text
	}
	return a
}

func pick(kind Kind, stock, invoice *answer) *answer {
	if kind == KindInvoice {
		return invoice
	}
	return stock
}

func (a *answer) write(w http.ResponseWriter, randN func(int) int) {
	header := w.Header()
	header.Set("Content-Type", "text/plain; charset=utf-8")
	header.Set("X-Content-Type-Options", "nosniff") // a number may look like HTML
	header.Set("Cache-Control", "no-store")
	// A browser that then requests an icon would send this page's URL, including the
	// code.
	header.Set("Referrer-Policy", "no-referrer")
	if a.retry > 0 {
		header.Set("Retry-After", strconv.Itoa(a.retry+randN(a.retry+1)))
	}
	if a.status == http.StatusMethodNotAllowed {
		header.Set("Allow", "GET, POST")
	}
	w.WriteHeader(a.status)
	// A write error means that the caller has gone.
	_, _ = io.WriteString(w, a.text) //nolint:gosec // plain text, with numbers escaped
}
