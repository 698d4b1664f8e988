package cli

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"lagerd/lang"
	"lagerd/status"
	"lagerd/store"
	"lagerd/terminal"
	"lagerd/webhook"
)

// logEvery is how often --wait looks into the webhook log, which is written every second.
const logEvery = 500 * time.Millisecond

// wait shows each call as it comes, until one of the type is received.
func (cmd webhooksCmd) wait(c *call, s *store.Store, shop store.Shop) error {
	ctx, stop := c.interruptible(c.ctx)
	defer stop()
	if types := status.WebhookTypes(shop); cmd.Type != "" && !slices.Contains(types, status.WebhookType(cmd.Type)) {
		return fmt.Errorf("%s has no webhooks of type=%s: its types are %s and %s, since its stock is read from %s", shop.Shop, cmd.Type, types[0], types[1], types[0].Source())
	}
	type place struct {
		slot int
		at   time.Time
	}
	seen := map[place]bool{} // by its own clock: that of the lagerd that logs may differ
	old, err := s.WebhookLog(ctx, shop.Shop)
	if err != nil {
		return err
	}
	for _, call := range old {
		seen[place{call.Slot, call.CalledAt.Time}] = true
	}
	fmt.Fprintf(c.Stdout, lang.Text{Danish: "Venter på et kald fra %s, højst %s. Ctrl-C slutter kun ventetiden: lagerd bliver ved med at modtage kald.\n", English: "Waiting for a call of %s, for %s at most. Ctrl-C ends the waiting only: lagerd goes on receiving calls.\n"}.In(cmd.Lang), cmd.whose(shop), cmd.Timeout)
	deadline := time.After(cmd.Timeout)
	for {
		select {
		case <-ctx.Done():
			return errors.New("the waiting was ended: lagerd goes on receiving calls")
		case <-deadline:
			return fmt.Errorf("no call of %s that shows that its webhooks work came within %s: see `lagerd webhooks %s` for what to check", cmd.whose(shop), cmd.Timeout, shop.Shop)
		case <-time.After(logEvery):
		}
		log, err := s.WebhookLog(ctx, shop.Shop)
		if err != nil && ctx.Err() == nil {
			return err
		}
		for _, call := range slices.Backward(log) {
			its := place{call.Slot, call.CalledAt.Time}
			if !seen[its] && cmd.received(c, shop, call) {
				return nil
			}
			seen[its] = true
		}
	}
}

// whose names what is waited for.
func (cmd webhooksCmd) whose(shop store.Shop) string {
	if cmd.Type == "" {
		return shop.Shop
	}
	return shop.Shop + lang.Text{Danish: " med type=", English: " with type="}.In(cmd.Lang) + cmd.Type
}

// received shows a call, and reports whether it was received and is of the type that is waited for.
func (cmd webhooksCmd) received(c *call, shop store.Shop, call store.LoggedCall) bool {
	types, about := status.WebhookTypes(shop), ""
	of, known := status.TypeOf(types, call)
	if !known {
		of = types[0]
	}
	if call.Number != "" {
		about = fmt.Sprintf(" %q", call.Number)
	}
	fmt.Fprintf(c.Stdout, "%s UTC  %s%s, %s: %d %s\n", call.CalledAt.UTC().Format(time.DateTime), orUnknown(string(call.Kind)), about, terminal.Escape(call.Remote), call.Status, terminal.Escape(call.Outcome))
	text := status.Advice(cmd.Lang, of, call)
	if text == "" {
		text = webhook.ToDo(call.Outcome)
	}
	if call.Outcome == webhook.OutcomeFromBrowser { // nothing is to be done, and it is not what is waited for
		said, _ := webhook.Said(webhook.Kind(call.Kind), call.Outcome, true)
		text = said.In(cmd.Lang)
	}
	if text != "" {
		fmt.Fprintf(c.Stdout, "  %s\n", text)
	}
	good := status.Works(types, call) && (cmd.Type == "" || status.WebhookType(cmd.Type) == of)
	if good {
		fmt.Fprintf(c.Stdout, "%s: %s\n", shop.Shop, lang.Text{Danish: "modtaget. Det virker.", English: "received. It works."}.In(cmd.Lang))
	}
	return good
}

func orUnknown(text string) string {
	if text == "" {
		return "unknown type"
	}
	return terminal.Escape(text)
}
