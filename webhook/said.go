package webhook

import (
	"strings"

	"lagerd/lang"
)

// Obstacle returns what stands in the way of a part of the shop, in the words of the answers to
// calls; ok is false if nothing does.
func (s Shop) Obstacle(kind Kind) (text lang.Text, ok bool) {
	try := s.try(kind)
	if try == nil || *try == (lang.Text{}) {
		return lang.Text{}, false
	}
	return lang.Text{Danish: strings.TrimSpace(try.Danish), English: strings.TrimSpace(try.English)}, true
}

// Said returns what the answer to a logged call said was wrong with it, or odd although it was
// accepted; ok is false if nothing was.
func Said(kind Kind, outcome string, accepted bool) (text lang.Text, ok bool) {
	const maybeField = "a merge field, perhaps"
	if outcome == OutcomeMergeField && accepted {
		outcome = maybeField
	}
	of := map[string]*lang.Text{
		OutcomeRefused: answerRefused.text, OutcomeBadToken: answerBadToken.text, OutcomeLimited: answerLimited.text,
		OutcomeBadType: answerBadType.text, OutcomeNoNumber: answerNoNumber.text, OutcomeNumberTooLong: answerNumberTooLong.text,
		OutcomeBadNumber:   pick(kind, &answerBadItemNumber, &answerBadInvoiceNumber).text,
		OutcomeMergeField:  pick(kind, &answerStockMergeField, &answerInvoiceMergeField).text,
		OutcomePlaceholder: pick(kind, &answerStockPlaceholder, &answerInvoicePlaceholder).text,
		OutcomeTried:       trialOf(kind),
		OutcomeFromBrowser: &fromBrowser,
		OutcomeHTMLEscaped: &oddHTML.text, OutcomeDoubleEncoded: &oddDoubleEncoded.text, OutcomeInvisible: &oddInvisible.text, OutcomeQuoted: &oddQuoted.text,
		OutcomeBadBody: answerBadBody.text, OutcomeTooLarge: answerTooLarge.text, OutcomeBadMethod: answerBadMethod.text,
		OutcomeUnavailable: answerUnavailable.text, OutcomeFull: answerFull.text, OutcomeGone: answerUnavailable.text, OutcomePanic: answerPanic.text,
		OutcomeUnreadable: &allUnreadable.text, maybeField: &oddMergeField.text,
	}[outcome]
	if of == nil {
		return lang.Text{}, false
	}
	return lang.Text{Danish: strings.TrimSpace(of.Danish), English: strings.TrimSpace(of.English)}, true
}
