package webhook

import "lagerd/lang"

// Shop is what the answers to a shop's calls depend on.
type Shop struct {
	Lang            lang.Lang // of its owner
	Stock, Invoices Next
}

// Next is what happens to a recorded hint at a part of a shop, as its owner is told.
type Next uint8

// What may happen next.
const (
	NextRead       Next = iota // the number is read at e-conomic now
	NextAtRackbeat             // it is read at Rackbeat now; of stock
	NextPaused                 // it is read once a person has resumed the shop
	NextHeld                   // it is read once lagerd holds the part no longer
	NextPDFHeld                // the invoice is read now, and its PDF once PDFs are held no longer
	NextOff                    // it is not read: the part is off, or cannot be read
	nexts
)

// next returns what happens to a hint at a number.
func (s Shop) next(kind Kind) *lang.Text {
	if kind == KindInvoice {
		return &nextInvoice[s.Invoices]
	}
	return &nextItem[s.Stock]
}

// try returns what stands in the way of a part, for a person who only tried its address; nothing
// if nothing does.
func (s Shop) try(kind Kind) *lang.Text {
	if kind == KindInvoice {
		return &tryInvoices[s.Invoices]
	}
	return &tryStock[s.Stock]
}

// nextItem, nextInvoice and nextAll say what happens to an item, to an invoice, and to all items.
var (
	nextItem = [nexts]lang.Text{
		NextRead: {
			Danish:  "Varens lager læses hos e-conomic nu, og butikken har det som regel om få sekunder.\n",
			English: "Its stock is being read from e-conomic now, and the shop usually has it within seconds.\n"},
		NextAtRackbeat: {
			Danish:  "Varens lager læses hos Rackbeat nu, og butikken har det som regel om få sekunder.\n",
			English: "Its stock is being read from Rackbeat now, and the shop usually has it within seconds.\n"},
		NextPaused: {
			Danish:  "Butikken er sat på pause: varen er noteret, og dens lager læses, når din webudbyder sætter den i gang igen.\n",
			English: "The shop is paused: the item is noted, and its stock is read once your hosting company resumes it.\n"},
		NextHeld: {
			Danish:  "Butikkens lager er stoppet, fordi noget ser forkert ud: kontakt din webudbyder. Varen er noteret, og dens lager læses, når der er åbnet igen.\n",
			English: "The shop's stock is stopped since something looks wrong: contact your hosting company. The item is noted, and its stock is read once that is settled.\n"},
		NextOff: stockOff,
	}
	nextInvoice = [nexts]lang.Text{
		NextRead: {
			Danish:  "Fakturaen og dens PDF hentes hos e-conomic nu, og butikken har dem som regel om få sekunder.\n",
			English: "The invoice and its PDF are being fetched from e-conomic now, and the shop usually has them within seconds.\n"},
		NextPaused: {
			Danish:  "Butikken er sat på pause: fakturaen er noteret, og hentes, når din webudbyder sætter den i gang igen.\n",
			English: "The shop is paused: the invoice is noted, and fetched once your hosting company resumes it.\n"},
		NextHeld: {
			Danish:  "Butikkens fakturaer er stoppet, fordi noget ser forkert ud: kontakt din webudbyder. Fakturaen er noteret, og hentes, når der er åbnet igen.\n",
			English: "The shop's invoices are stopped since something looks wrong: contact your hosting company. The invoice is noted, and fetched once that is settled.\n"},
		NextPDFHeld: {
			Danish:  "Fakturaen hentes hos e-conomic nu, men dens PDF må vente: e-conomic afviser at vise PDF'er. Kontakt din webudbyder.\n",
			English: "The invoice is being fetched from e-conomic now, but its PDF must wait: e-conomic refuses to show PDFs. Contact your hosting company.\n"},
		NextOff: invoicesOff,
	}
	nextAll = [nexts]lang.Text{
		NextRead:       allSoon,
		NextAtRackbeat: allSoon,
		NextPaused: {
			Danish:  "Butikken er sat på pause: alle varer læses igen, når din webudbyder sætter den i gang igen.\n",
			English: "The shop is paused: all items are read again once your hosting company resumes it.\n"},
		NextHeld: {
			Danish:  "Butikkens lager er stoppet, fordi noget ser forkert ud: kontakt din webudbyder. Alle varer læses igen, når der er åbnet.\n",
			English: "The shop's stock is stopped since something looks wrong: contact your hosting company. All items are read again once that is settled.\n"},
		NextOff: stockOff,
	}
	allSoon = lang.Text{
		Danish:  "Alle varer læses igen om lidt.\n",
		English: "All items are read again soon.\n"}
	stockOff = lang.Text{
		Danish:  "Butikkens lager læses ikke for tiden. Spørg din webudbyder, om det er meningen.\n",
		English: "The shop's stock is not being read at present. Ask your hosting company whether that is intended.\n"}
	invoicesOff = lang.Text{
		Danish:  "Butikkens fakturaer hentes ikke for tiden. Spørg din webudbyder, om det er meningen.\n",
		English: "The shop's invoices are not being fetched at present. Ask your hosting company whether that is intended.\n"}
)

// tryStock and tryInvoices say what stands in the way of a part.
var (
	tryStock = [nexts]lang.Text{
		NextPaused: tryPaused,
		NextHeld: {
			Danish:  "Butikkens lager er stoppet, fordi noget ser forkert ud: kontakt din webudbyder.\n",
			English: "The shop's stock is stopped since something looks wrong: contact your hosting company.\n"},
		NextOff: stockOff,
	}
	tryInvoices = [nexts]lang.Text{
		NextPaused: tryPaused,
		NextHeld: {
			Danish:  "Butikkens fakturaer er stoppet, fordi noget ser forkert ud: kontakt din webudbyder.\n",
			English: "The shop's invoices are stopped since something looks wrong: contact your hosting company.\n"},
		NextPDFHeld: {
			Danish:  "PDF'er må vente: e-conomic afviser at vise dem. Kontakt din webudbyder.\n",
			English: "PDFs must wait: e-conomic refuses to show them. Contact your hosting company.\n"},
		NextOff: invoicesOff,
	}
	tryPaused = lang.Text{
		Danish:  "Butikken er sat på pause: det, der kommer, læses, når din webudbyder sætter den i gang igen.\n",
		English: "The shop is paused: what comes is read once your hosting company resumes it.\n"}
)

// What an address is for that a person tried.
var (
	trialOfStock = lang.Text{
		Danish:  "Dette var kun en prøve: intet blev registreret. Når e-conomic kalder, sætter det varenummeret ind i stedet for [NUMBER], og varens lager læses med det samme. Skriv et rigtigt varenummer for at se det ske.\n",
		English: "This was only a test: nothing was recorded. When e-conomic calls, it puts the item number in place of [NUMBER], and the item's stock is read at once. Write a real item number to see it happen.\n"}
	trialOfInvoices = lang.Text{
		Danish:  "Dette var kun en prøve: intet blev registreret. Når e-conomic kalder, sætter det fakturanummeret ind i stedet for [INVOICENO], og fakturaen og dens PDF hentes med det samme. Skriv et rigtigt fakturanummer for at se det ske.\n",
		English: "This was only a test: nothing was recorded. When e-conomic calls, it puts the invoice number in place of [INVOICENO], and the invoice and its PDF are fetched at once. Write a real invoice number to see it happen.\n"}
	trialOfRackbeat = lang.Text{
		Danish:  "Rackbeats webhooks modtages på denne adresse. Dette var kun en prøve: intet blev registreret.\n",
		English: "Rackbeat's webhooks are received at this address. This was only a test: nothing was recorded.\n"}
)

// trialOf returns what an address for calls of that kind is for.
func trialOf(kind Kind) *lang.Text {
	if kind == KindInvoice {
		return &trialOfInvoices
	}
	return &trialOfStock
}
