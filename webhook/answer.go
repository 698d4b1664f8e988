package webhook

import (
	"io"
	"net/http"
	"strconv"

	"lagerd/lang"
	"lagerd/terminal"
)

// answer is an answer to a caller. Shop owners read it: they try the address in a browser, and
// e-conomic shows them the answers to its calls.
type answer struct {
	status  int
	outcome string

	// What it says, in this order. Whatever is not empty ends with a line end.
	begins string     // in the caller's language already
	text   *lang.Text // how the call was understood
	next   *lang.Text // what happens now
	odd    *lang.Text // what to put right

	// retry is the least Retry-After in seconds. The actual value is random, up to
	// twice as long, so that callers do not all retry at once.
	retry int
}

var (
	answerRefused = answer{status: http.StatusForbidden, outcome: OutcomeRefused, text: &lang.Text{
		Danish:  "Forkert butik eller kode. Kopiér teksten igen, præcis som du fik den af din webudbyder.\n",
		English: "Wrong shop or code. Copy the text again, exactly as your hosting company gave it to you.\n"}}
	answerNoCode = answer{status: http.StatusForbidden, outcome: OutcomeRefused, text: &lang.Text{
		Danish:  "Efter password= står der stadig " + CodePlaceholder + ": skriv butikkens hemmelige kode i stedet for. Har du den ikke, så lav en ny på butikkens side, eller bed din webudbyder om en.\n",
		English: "After password= it still says " + CodePlaceholder + ": write the shop's secret code in its place. If you do not have it, make a new one on the shop's page, or ask your hosting company for one.\n"}}
	answerLimited = answer{status: http.StatusTooManyRequests, outcome: OutcomeLimited, retry: 60, text: &lang.Text{
		Danish:  "Forkert butik eller kode, og det er sket for tit. Vent et minut, og kopiér så teksten igen, præcis som du fik den af din webudbyder.\n",
		English: "Wrong shop or code, and it has happened too often. Wait a minute, then copy the text again, exactly as your hosting company gave it to you.\n"}}
	answerBadToken = answer{status: http.StatusForbidden, outcome: OutcomeBadToken, text: &lang.Text{
		Danish:  "Afvist: headeren Rackbeat-Webhook-Token mangler, eller har et andet token end dem, din webudbyder har fået. Giv din webudbyder det token, som Rackbeat viste, da dette webhook blev oprettet.\n",
		English: "Refused: the header Rackbeat-Webhook-Token is missing, or holds another token than those your hosting company has. Give your hosting company the token that Rackbeat showed when this webhook was created.\n"}}
	answerTokenLimited = answer{status: http.StatusTooManyRequests, outcome: OutcomeLimited, retry: 60, text: &lang.Text{
		Danish:  "Afvist: headeren Rackbeat-Webhook-Token mangler eller er forkert, og det er sket for tit. Giv din webudbyder det token, som Rackbeat viste, da dette webhook blev oprettet.\n",
		English: "Refused: the header Rackbeat-Webhook-Token is missing or wrong, and it has happened too often. Give your hosting company the token that Rackbeat showed when this webhook was created.\n"}}
	answerBadType = answer{status: http.StatusBadRequest, outcome: OutcomeBadType, text: &lang.Text{
		Danish:  "Ukendt type: skriv type=stockUpdate for lager eller type=orderPdf for fakturaer.\n",
		English: "Unknown type: write type=stockUpdate for stock or type=orderPdf for invoices.\n"}}
	answerTypeInBody = answer{status: http.StatusBadRequest, outcome: OutcomeBadType, text: &lang.Text{
		Danish:  "type=rackbeatStock er til Rackbeats webhook, og hører til i dets URL. Skriv type=stockUpdate eller type=orderPdf i e-conomic.\n",
		English: "type=rackbeatStock is for Rackbeat's webhook, and belongs in its URL. In e-conomic, write type=stockUpdate or type=orderPdf.\n"}}
	answerNoNumber = answer{status: http.StatusBadRequest, outcome: OutcomeNoNumber, text: &lang.Text{
		Danish:  "Intet nummer: slut teksten med number=[NUMBER] for stockUpdate eller number=[INVOICENO] for orderPdf.\n",
		English: "No number: end the data with number=[NUMBER] for stockUpdate or number=[INVOICENO] for orderPdf.\n"}}
	answerNumberTooLong = answer{status: http.StatusBadRequest, outcome: OutcomeNumberTooLong, text: &lang.Text{
		Danish:  "Nummeret er for langt: et nummer i e-conomic har højst 25 tegn.\n",
		English: "The number is too long: a number in e-conomic has at most 25 characters.\n"}}
	answerBadItemNumber = answer{status: http.StatusBadRequest, outcome: OutcomeBadNumber, text: &lang.Text{
		Danish:  "Dette er ikke et nummer fra e-conomic: det indeholder tegn, som ikke kan være i et. Se efter sidst i den tekst, der sendes.\n",
		English: "This is not a number from e-conomic: it holds characters that cannot be in one. Check the end of the data that is sent.\n"}}
	answerBadInvoiceNumber = answer{status: http.StatusBadRequest, outcome: OutcomeBadNumber, text: &lang.Text{
		Danish:  "Dette er ikke et fakturanummer: det skal være cifre alene, og ikke 0. Brug type=stockUpdate til et varenummer.\n",
		English: "This is not an invoice number: it must be digits only, and not 0. Use type=stockUpdate for an item number.\n"}}
	answerStockMergeField = answer{status: http.StatusBadRequest, outcome: OutcomeMergeField, text: &lang.Text{
		Danish:  "Butik og kode er rigtige, men e-conomic har ikke sat nummeret ind: vælg webhook-typen \"Varelager opdateret\", og slut teksten med number=[NUMBER]. Skriv et rigtigt varenummer for at prøve selv.\n",
		English: "Shop and code are right, but e-conomic did not fill in the number: choose the webhook type \"Inventory updated\" and end the data with number=[NUMBER]. To try it by hand, write a real item number.\n"}}
	answerInvoiceMergeField = answer{status: http.StatusBadRequest, outcome: OutcomeMergeField, text: &lang.Text{
		Danish:  "Butik og kode er rigtige, men e-conomic har ikke sat nummeret ind: vælg webhook-typen \"Faktura bogført\", og slut teksten med number=[INVOICENO]. Skriv et rigtigt fakturanummer for at prøve selv.\n",
		English: "Shop and code are right, but e-conomic did not fill in the number: choose the webhook type \"Invoice booked\" and end the data with number=[INVOICENO]. To try it by hand, write a real invoice number.\n"}}
	answerStockPlaceholder = answer{status: http.StatusBadRequest, outcome: OutcomePlaceholder, text: &lang.Text{
		Danish:  "Butik og kode er rigtige. Skriv nu et af dine egne varenumre sidst i adressen, efter number=, for at prøve. I e-conomic slutter teksten med number=[NUMBER].\n",
		English: "Shop and code are right. Now write one of your item numbers at the end of the address, after number=, to try it. In e-conomic the data ends with number=[NUMBER].\n"}}
	answerInvoicePlaceholder = answer{status: http.StatusBadRequest, outcome: OutcomePlaceholder, text: &lang.Text{
		Danish:  "Butik og kode er rigtige. Skriv nu et af dine egne fakturanumre sidst i adressen, efter number=, for at prøve. I e-conomic slutter teksten med number=[INVOICENO].\n",
		English: "Shop and code are right. Now write one of your invoice numbers at the end of the address, after number=, to try it. In e-conomic the data ends with number=[INVOICENO].\n"}}
	answerBadBody = answer{status: http.StatusBadRequest, outcome: OutcomeBadBody, text: &lang.Text{
		Danish:  "Teksten blev afbrudt: send den igen.\n",
		English: "The data was cut off: send it again.\n"}}
	answerTooLarge = answer{status: http.StatusRequestEntityTooLarge, outcome: OutcomeTooLarge, text: &lang.Text{
		Danish:  "For meget tekst: send kun type, username, password og number.\n",
		English: "Too much data: send type, username, password and number only.\n"}}
	answerBadMethod = answer{status: http.StatusMethodNotAllowed, outcome: OutcomeBadMethod, text: &lang.Text{
		Danish:  "Brug GET eller POST.\n",
		English: "Use GET or POST.\n"}}
	answerNotFound = answer{status: http.StatusNotFound, outcome: OutcomeNotFound, text: &lang.Text{
		Danish:  "Intet her: adressen slutter på " + Path + ".\n",
		English: "Nothing here: the address ends in " + Path + ".\n"}}
	answerUnavailable = answer{status: http.StatusServiceUnavailable, outcome: OutcomeUnavailable, retry: 10, text: &lang.Text{
		Danish:  "Ikke registreret, databasen svarer ikke: prøv igen om lidt.\n",
		English: "Not recorded, the database does not answer: try again in a moment.\n"}}
	answerFull = answer{status: http.StatusServiceUnavailable, outcome: OutcomeFull, retry: 5, text: &lang.Text{
		Danish:  "Ikke registreret, for mange kald på én gang: prøv igen om lidt.\n",
		English: "Not recorded, too many calls at once: try again in a moment.\n"}}
	answerGone  = answer{status: http.StatusServiceUnavailable, outcome: OutcomeGone, retry: 10, text: answerUnavailable.text}
	answerPanic = answer{status: http.StatusInternalServerError, outcome: OutcomePanic, text: &lang.Text{
		Danish:  "Der er noget galt hos din webudbyder: loggen siger hvad. Prøv igen, og kontakt dem, hvis det bliver ved.\n",
		English: "Something is wrong at your hosting company: the log says what. Try again, and contact them if it goes on.\n"}}
)

// CodePlaceholder stands for a shop's code where that is not known.
const CodePlaceholder = "CODE"

// fromBrowser is what the webhook log says of a call that a person made.
var fromBrowser = lang.Text{
	Danish:  "Kaldet kom fra en browser: butik og kode er rigtige. Det viser ikke, om e-conomic kalder.\n",
	English: "The call came from a browser: shop and code are right. It does not show whether e-conomic calls.\n",
}

// success begins the answer to every call that is recorded, or would be: e-conomic's users look
// for the word.
const success = "Success\n"

// What is between the shop's name and the number in the answer to a recorded call.
var (
	receivedFor     = lang.Text{Danish: "Modtaget for ", English: "Received for "}
	receivedItem    = lang.Text{Danish: ": vare ", English: ": item "}
	receivedInvoice = lang.Text{Danish: ": faktura ", English: ": invoice "}
	receivedUnnamed = lang.Text{Danish: ": et webhook uden varenummer\n", English: ": a webhook without an item number\n"}
)

// recorded returns the answer to a recorded call.
func recorded(name string, of Shop, kind Kind, n numbers) answer {
	thing := receivedItem.In(of.Lang)
	if kind == KindInvoice {
		thing = receivedInvoice.In(of.Lang)
	}
	a := answer{status: http.StatusOK, outcome: OutcomeRecorded, next: of.next(kind),
		begins: success + receivedFor.In(of.Lang) + name + thing + terminal.Escape(n.sent) + "\n"}
	if n.meant != "" {
		a.begins += receivedFor.In(of.Lang) + name + thing + terminal.Escape(n.meant) + "\n"
	}
	return a.with(n.odd)
}

// recordedAll returns the answer to a recorded call that is a hint to look at all items.
func recordedAll(p *params, of Shop, why *oddity) answer {
	return answer{status: http.StatusOK, outcome: why.outcome, begins: success + receivedFor.In(of.Lang) + p.username + receivedUnnamed.In(of.Lang),
		text: &why.text, next: &nextAll[of.Stock]}.with(p.odd)
}

var triedShop = lang.Text{Danish: "Butik og kode er rigtige: ", English: "Shop and code are right: "}

// tried returns the answer to a person who opens an address in a browser and names nothing to
// look at: text says what the address is for, next whether anything is in the way.
func tried(p *params, of Shop, text, next *lang.Text) answer {
	return answer{status: http.StatusOK, outcome: OutcomeTried, begins: success + triedShop.In(of.Lang) + p.username + "\n", text: text, next: next}.with(p.odd)
}

// with adds an oddity to an answer, unless it is nil.
func (a answer) with(odd *oddity) answer {
	if odd != nil {
		a.outcome, a.odd = odd.outcome, &odd.text
	}
	return a
}

func pick(kind Kind, stock, invoice *answer) *answer {
	if kind == KindInvoice {
		return invoice
	}
	return stock
}

func (a *answer) write(w http.ResponseWriter, l lang.Lang, randN func(int) int) {
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
	if a.outcome == OutcomeFull {
		header.Set("Connection", "close") // others need it
	}
	w.WriteHeader(a.status)
	say(w, a.begins)
	for _, text := range [...]*lang.Text{a.text, a.next, a.odd} {
		if text != nil {
			say(w, text.In(l))
		}
	}
}

// say writes a text, unless it is empty. A write error means that the caller has gone.
func say(w http.ResponseWriter, text string) {
	if text != "" {
		_, _ = io.WriteString(w, text) //nolint:gosec // plain text, with numbers escaped
	}
}
