package act

import (
	"fmt"
	"strings"

	"lagerd/config"
	"lagerd/economic"
	"lagerd/lang"
	"lagerd/rackbeat"
	"lagerd/store"
	"lagerd/webhook"
)

// Advised adds what to do to the error of a service.
func Advised(err error, cfg config.Config, shop store.Shop) error {
	switch {
	case economic.KindOf(err) != "":
		return fmt.Errorf("%w: %s", err, WhatToDo(err, cfg, shop))
	case rackbeat.KindOf(err) != "":
		return fmt.Errorf("%w: %s", err, ToDoAtRackbeat(err))
	}
	return err
}

// AccessURL returns the address at which an agreement's super-user grants the app access, "" if
// the app's public token is not known.
func AccessURL(cfg config.Config, l lang.Lang) string {
	return economic.AccessURL(cfg.Economic.AppPublicToken, l.Locale())
}

// GrantAgain returns who has to grant the app access, and where if that is known.
func GrantAgain(cfg config.Config, shop store.Shop) string {
	text := "have the agreement's super-user grant the app access again"
	if access := AccessURL(cfg, shop.Lang); access != "" {
		text += " at " + access
	}
	return text
}

// WhatToDo returns what to do about an error of e-conomic.
func WhatToDo(err error, cfg config.Config, shop store.Shop) string {
	switch economic.KindOf(err) {
	case economic.KindUnauthorized:
		return GrantAgain(cfg, shop) + ", and store the new token with `lagerd shops set " + shop.Shop + " --grant-token-file …`"
	case economic.KindForbidden:
		return "the app needs the role SuperUser or Sales"
	case economic.KindBudget:
		return "the day's calls are used up (economic.daily_calls): a new day begins at midnight UTC"
	case economic.KindCrowded:
		return "retry in a minute"
	case economic.KindRateLimited:
		return "another app may be using up the agreement's calls: retry in a minute"
	default:
		return "check economic.rest_url, and that this machine can reach it"
	}
}

// ToDoAtRackbeat returns what to do about an error of Rackbeat.
func ToDoAtRackbeat(err error) string {
	switch rackbeat.KindOf(err) {
	case rackbeat.KindUnauthorized, rackbeat.KindForbidden:
		return "check that this is the complete key, and that it is still valid at Rackbeat; otherwise have a user of the account make a new one"
	case rackbeat.KindRateLimited:
		return "another app may be using up the account's calls: retry in a minute"
	case rackbeat.KindCrowded:
		return "retry in a minute"
	case rackbeat.KindBudget:
		return "the day's calls are used up (rackbeat.daily_calls): a new day begins at midnight UTC"
	case rackbeat.KindMalformed, rackbeat.KindBadRequest, rackbeat.KindNotFound:
		return "check that rackbeat.url is right; if it is, Rackbeat answers otherwise than lagerd expects"
	default:
		return "check rackbeat.url, and that this machine can reach it"
	}
}

// WebhookURL returns the URL that e-conomic calls.
func WebhookURL(cfg config.Config) string {
	if cfg.Webhook.PublicURL != "" {
		return strings.TrimSuffix(cfg.Webhook.PublicURL, "?")
	}
	return "http://" + cfg.Webhook.Listen + webhook.Path
}
