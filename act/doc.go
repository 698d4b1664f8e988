// Package act carries out what people ask of lagerd, by a command or on the page: it pauses and
// resumes shops, asks for ticks, sweeps and numbers, compares a shop with e-conomic, approves
// losses, makes codes, and sets up webhooks at e-conomic.
//
//	cli, web ─▶ Act ─▶ store: what is done, and who did it (store.By)
//	             └──▶ e-conomic, Rackbeat: within the accounts' budgets, beside the lagerd that works on them
//
// It asks nobody whether something is right and shows nothing: its callers do. It takes no lease and
// writes no stock. At e-conomic it changes only lagerd's own webhooks, if the shop allows it.
package act
